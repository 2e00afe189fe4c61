//! Search by the beginning of a name.

use proto::user::v1::SearchUsersRequest;
use rpc::{Code, Problem};

use super::rig::serve;

#[tokio::test]
async fn names_that_begin_so_are_found_in_order_and_nothing_is_a_pattern() {
    let service = serve().await;
    let names = ["ada", "Ada_L", "ADAM", "adXb", "bob", "a_d", "Zed_1", "zed"];
    for (n, name) in names.iter().enumerate() {
        service.named(n as u8 + 1, name).await;
    }
    service.suspend(&service.user(3).await).await;
    let gateway = service.client("gateway");
    let search = async |prefix: &str, page_size: i32| {
        let ask = SearchUsersRequest { prefix: prefix.to_owned(), page_size };
        let users = gateway.clone().search_users(ask).await.unwrap().into_inner().users;
        users.into_iter().map(|user| user.profile.unwrap().username).collect::<Vec<_>>()
    };
    assert_eq!(search("aD", 50).await, ["ada", "Ada_L", "adXb"], "the suspended are not found");
    assert_eq!(search("ad", 2).await, ["ada", "Ada_L"]);
    assert_eq!(search("ada", 50).await, ["ada", "Ada_L"]);
    assert_eq!(search("a_", 50).await, ["a_d"], "an underscore is itself");
    assert_eq!(search("zed", 50).await, ["zed", "Zed_1"], "the whole name comes first");
    for nothing in ["%", "a%", "\\", "ad\\", "~", "ä", "a\u{0}", "b b", "bobby"] {
        assert!(search(nothing, 50).await.is_empty(), "{nothing:?}");
    }
    for (prefix, page_size, path) in
        [("", 10, "prefix"), (&*"a".repeat(31), 10, "prefix"), ("a", 0, "page_size"), ("a", 51, "page_size")]
    {
        let ask = SearchUsersRequest { prefix: prefix.to_owned(), page_size };
        let problem = Problem::from(&gateway.clone().search_users(ask).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    let plan: Vec<String> = {
        let mut connection = service.db.pool.acquire().await.unwrap();
        sqlx::query("set enable_seqscan = off").execute(&mut *connection).await.unwrap();
        let explain = "explain select * from profiles p
            where lower(p.username) ~>=~ 'ad' and lower(p.username) ~<~ 'ad~' order by lower(p.username) using ~<~ limit 5";
        sqlx::query_scalar(explain).fetch_all(&mut *connection).await.unwrap()
    };
    let plan = plan.join("\n");
    assert!(plan.contains("profiles_username_key") && !plan.contains("Sort"), "{plan}");
    service.end().await;
}
