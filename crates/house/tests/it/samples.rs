//! A rule that never complains keeps nothing: each one is shown what it is there for.
use house::{
    Finding, Source,
    calls::{self, Contracts},
    crates::{self, Arrow, Member},
    files, logs,
    migrations::{self, Migrations},
    rooms, safety, sql,
};

type Rule = fn(&Source) -> Vec<Finding>;

fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    let source = Source::parse(path, text).expect("the sample is Rust");
    rule(&source).into_iter().map(|finding| finding.line).collect()
}

#[test]
fn a_file_without_its_sentence_is_seen() {
    let path = "services/wallet/src/link_wallet.rs";
    assert_eq!(lines(files::opens_with_a_sentence, path, "use std::fmt;\n"), [1]);
    assert_eq!(lines(files::opens_with_a_sentence, path, "//!\n"), [1]);
    assert!(lines(files::opens_with_a_sentence, path, "//! Linking twice is no error.\n").is_empty());
}

#[test]
fn a_file_of_501_lines_is_seen() {
    assert_eq!(lines(files::is_not_too_long, "crates/ids/src/lib.rs", &"//\n".repeat(501)), [500]);
    assert!(lines(files::is_not_too_long, "crates/ids/src/lib.rs", &"//\n".repeat(500)).is_empty());
}

#[test]
fn drawers_are_seen_in_paths_modules_and_types() {
    assert_eq!(lines(files::is_no_drawer, "services/wallet/src/utils.rs", ""), [1]);
    assert_eq!(lines(files::is_no_drawer, "services/wallet/src/helpers/text.rs", ""), [1]);
    let text =
        "mod common;\nstruct WalletDto;\nenum MintProcessor {}\ntrait WalletServiceImpl {}\nstruct Wallet;\n";
    assert_eq!(lines(files::is_no_drawer, "services/wallet/src/model.rs", text), [1, 2, 3, 4]);
    assert!(lines(files::is_no_drawer, "services/wallet/src/base_fee.rs", "struct Database;").is_empty());
}

#[test]
fn sql_outside_of_the_store_is_seen() {
    let text = "fn f() {\n sqlx::query!(\"select 1\");\n query_as!(Wallet, \"select 1\");\n sqlx::query(\"x\");\n\
                db.execute(\"delete from wallets\");\n url.query();\n call.execute(\"now\");\n}";
    assert_eq!(lines(sql::is_in_store, "services/wallet/src/link_wallet.rs", text), [2, 3, 4, 5]);
    for path in
        ["services/wallet/src/store.rs", "services/catalog/src/store/tokens.rs", "crates/bus/src/outbox.rs"]
    {
        assert!(lines(sql::is_in_store, path, text).is_empty(), "{path}");
    }
    let in_test = "#[cfg(test)]\nmod tests {\n fn f() { sqlx::query(\"select 1\"); }\n}";
    assert!(lines(sql::is_in_store, "services/wallet/src/link_wallet.rs", in_test).is_empty());
}

#[test]
fn sql_that_is_glued_together_is_seen() {
    let text = "fn f() {\n sqlx::query(AssertSqlSafe(format!(\"select {x}\")));\n}";
    assert_eq!(lines(sql::is_not_glued, "services/wallet/src/store.rs", text), [2]);
}

#[test]
fn an_unwrap_outside_of_tests_is_seen_also_inside_a_macro() {
    let text = "fn f() {\n a.unwrap();\n vec![b.unwrap()];\n c.unwrap_or(1);\n}\n#[cfg(test)]\nmod tests {\n fn g() { d.unwrap(); }\n}";
    assert_eq!(lines(safety::does_not_unwrap, "services/wallet/src/grpc.rs", text), [2, 3]);
    assert!(lines(safety::does_not_unwrap, "services/wallet/tests/it/main.rs", text).is_empty());
}

#[test]
fn a_lint_that_is_silenced_without_a_reason_is_seen() {
    let text = "#[allow(dead_code)]\nfn f() {}\n#[expect(dead_code)]\nfn g() {}\n\
                #[expect(dead_code, reason = \"used by the next change\")]\nfn h() {}\n";
    assert_eq!(lines(safety::gives_reasons, "services/wallet/src/grpc.rs", text), [1, 3]);
}

#[test]
fn reading_the_environment_is_seen() {
    let text = "fn f() {\n std::env::var(\"HOME\");\n env::vars_os();\n std::env::args();\n}";
    assert_eq!(lines(safety::leaves_the_environment_alone, "services/wallet/src/lib.rs", text), [2, 3]);
    assert!(lines(safety::leaves_the_environment_alone, "crates/launch/src/card.rs", text).is_empty());
}

#[test]
fn a_room_that_calls_a_door_back_is_seen() {
    let text = "use crate::{error::Error, grpc::Wallet};\nfn f() {\n crate::consumer::run();\n}";
    assert_eq!(lines(rooms::doors_are_not_called_back, "services/wallet/src/store.rs", text), [1, 3]);
    assert_eq!(lines(rooms::doors_are_not_called_back, "services/wallet/src/link_wallet.rs", text), [1, 3]);
    assert!(lines(rooms::doors_are_not_called_back, "services/wallet/src/lib.rs", text).is_empty());
}

#[test]
fn a_model_that_waits_or_knows_a_store_is_seen() {
    let text = "use sqlx::PgPool;\nuse crate::store;\nasync fn f() {}\nfn g(s: tonic::Status) {}\n\
                #[derive(sqlx::Type)]\nstruct Status;\n";
    let mut seen = lines(rooms::model_is_pure, "services/wallet/src/model.rs", text);
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4]);
    assert!(lines(rooms::model_is_pure, "services/wallet/src/link_wallet.rs", text).is_empty());
}

#[test]
fn a_log_sentence_that_varies_shouts_or_stops_is_seen() {
    let text = "fn f() {\n info!(\"Scanned {n} events\");\n warn!(n, \"Scanned events\");\n error!(n, \"scanned events.\");\n\
                tracing::info!(events = n, \"scanned events\");\n debug!(name = \"Ada\", \"signed in\");\n}";
    assert_eq!(lines(logs::says_one_fixed_sentence, "services/indexer/src/scan.rs", text), [2, 3, 4]);
}

fn migrations(texts: &[(&str, &str, &str)]) -> Migrations {
    let mut databases = Migrations::new();
    for (database, file, text) in texts {
        databases.entry((*database).into()).or_default().insert((*file).into(), (*text).into());
    }
    databases
}

#[test]
fn an_outbox_of_another_text_and_one_in_another_place_are_seen() {
    let differ =
        migrations(&[("auth", "0001_outbox_inbox.sql", "a"), ("user", "0001_outbox_inbox.sql", "b")]);
    assert_eq!(migrations::have_one_outbox(&differ).len(), 1);
    let elsewhere = migrations(&[("auth", "0001_users.sql", "create table outbox ()")]);
    assert_eq!(migrations::have_one_outbox(&elsewhere).len(), 1);
}

#[test]
fn a_number_that_is_missing_or_given_twice_is_seen() {
    let gap = migrations(&[("auth", "0001_a.sql", ""), ("auth", "0003_b.sql", "")]);
    assert_eq!(migrations::are_numbered(&gap).len(), 1);
    let twice = migrations(&[("auth", "0001_a.sql", ""), ("auth", "0001_b.sql", "")]);
    assert_eq!(migrations::are_numbered(&twice).len(), 1);
}

#[test]
fn arrows_that_the_house_does_not_have_are_seen() {
    let arrow = |from: &str, to: &str, is_dev| Arrow { from: Member::new(from), to: Member::new(to), is_dev };
    let wrong = [
        arrow("services/auth", "services/wallet", false),
        arrow("services/auth", "services/wallet", true),
        arrow("services/auth", "crates/testkit", false),
        arrow("crates/ids", "crates/launch", false),
        arrow("crates/rpc", "crates/events", false),
        arrow("gateway", "crates/bus", false),
        arrow("desk", "services/auth", false),
        arrow("xtask", "crates/bus", false),
        arrow("bench", "services/auth", false),
    ];
    assert_eq!(crates::arrows_point_one_way(&wrong).len(), wrong.len());
    let right = [
        arrow("services/auth", "crates/bus", false),
        arrow("services/auth", "crates/testkit", true),
        arrow("e2e", "services/auth", false),
        arrow("e2e", "crates/testkit", false),
        arrow("crates/bus", "crates/launch", false),
        arrow("bench", "xtask", false),
    ];
    assert!(crates::arrows_point_one_way(&right).is_empty());
    let moved = Member { name: "wallet".into(), folder: "services/purse".into() };
    assert_eq!(crates::folders_are_named_for_crates(&[moved]).len(), 1);
}

fn contracts() -> Contracts {
    let mut contracts = Contracts::new();
    let text = "package vitrine.user.v1;\nservice UserService {\n  rpc EnsureUser(A) returns (B);\n  rpc GetUser(A) returns (B);\n}\n";
    calls::read_contract(text, &mut contracts);
    contracts
}

#[test]
fn a_list_that_does_not_fit_the_contracts_is_seen() {
    let text = "# who\nauth -> vitrine.user.v1.UserService/EnsureUser\nauth -> vitrine.user.v1.UserService/Ensure\n\
                auth -> vitrine.user.v1.UserService/EnsureUser # again\n";
    let found = calls::list_fits_the_contracts(&calls::listed(text), &contracts());
    let said: Vec<_> = found.iter().map(|finding| (finding.line, finding.what.as_str())).collect();
    assert_eq!(
        said,
        [
            (3, "there is no RPC vitrine.user.v1.UserService/Ensure"),
            (4, "auth -> vitrine.user.v1.UserService/EnsureUser stands here twice"),
            (1, "there is no line for vitrine.user.v1.UserService/GetUser"),
        ]
    );
}

#[test]
fn saying_nobody_beside_a_caller_is_seen() {
    let text = "nobody -> vitrine.user.v1.UserService/EnsureUser\nauth -> vitrine.user.v1.UserService/EnsureUser\n\
                nobody -> vitrine.user.v1.UserService/GetUser\n";
    let found = calls::list_fits_the_contracts(&calls::listed(text), &contracts());
    let said: Vec<_> = found.iter().map(|finding| (finding.line, finding.what.as_str())).collect();
    assert_eq!(said, [(1, "vitrine.user.v1.UserService/EnsureUser has a caller, so `nobody` is wrong")]);
}

#[test]
fn a_call_without_its_line_and_a_line_without_its_call_are_seen() {
    let room = "//! Clients.\nuse proto::user::v1::user_service_client::UserServiceClient;\n";
    let verb = "fn f() {\n join!(self.user.clone().get_user(ask));\n store::ensure_user(db);\n}";
    let sources = [("services/auth/src/peers.rs", room), ("services/auth/src/verify_siwe.rs", verb)]
        .map(|(path, text)| Source::parse(path, text).expect("the sample is Rust"));
    let list = calls::listed("auth -> vitrine.user.v1.UserService/EnsureUser\noperator -> x.Y/Z\n");
    let made = calls::made(&sources, &contracts());

    let found = calls::made_calls_are_listed(&made, &list);
    let said: Vec<_> = found.iter().map(ToString::to_string).collect();
    let expected = "docs/calls.txt lacks auth -> vitrine.user.v1.UserService/GetUser";
    assert_eq!(said, [format!("services/auth/src/verify_siwe.rs:2: {expected}")]);
    let unused = calls::listed_calls_are_made(&made, &list);
    let said: Vec<_> = unused.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["docs/calls.txt:1: auth does not call vitrine.user.v1.UserService/EnsureUser"]);
}
