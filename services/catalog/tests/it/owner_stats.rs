//! What the holders of addresses have, as user asks for it.

use events::Standard;
use ids::Address;
use proto::catalog::v1::{OwnerStats, OwnerStatsRequest};
use rpc::{Code, Problem};

use super::{
    fake::{address, block, chain, created, deliver, messages, moved, moved_many},
    rig::serve,
};

fn ask(addresses: Vec<String>) -> OwnerStatsRequest {
    OwnerStatsRequest { addresses }
}

fn figures(of: &OwnerStats) -> (i32, i32) {
    assert_eq!((of.listings_count, of.sales_count, of.purchases_count), (0, 0, 0));
    assert_eq!((of.volume_sold.as_str(), of.volume_purchased.as_str()), ("0", "0"));
    (of.collections_count, of.items_count)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_is_counted_over_both_standards_and_all_chains() {
    let catalog = serve().await;
    let (nfts, editions, unknown) = (address(0xc0), address(0xc2), address(0xc4));
    let (maker, ada, bob) = (address(1), address(10), address(11));
    let born = vec![
        created(nfts, Standard::Erc721, "Nfts", maker),
        created(editions, Standard::Erc1155, "Editions", maker),
    ];
    let moves = vec![
        moved(nfts, 1, Address::ZERO, ada),
        moved(nfts, 2, Address::ZERO, ada),
        moved(nfts, 3, Address::ZERO, bob),
        moved_many(editions, 9, Address::ZERO, ada, 100),
        moved_many(editions, 8, Address::ZERO, ada, 5),
        // A contract of which nothing but tokens is known is hidden; what is held is held all the same.
        moved(unknown, 1, Address::ZERO, ada),
    ];
    let later = vec![
        moved(nfts, 2, ada, Address::ZERO),
        moved_many(editions, 8, ada, bob, 5),
        moved_many(editions, 9, ada, bob, 1),
    ];
    for block in [block(1, 1, born), block(2, 1, moves), block(3, 1, later)] {
        deliver(&catalog.db.pool, &messages(chain(1), &block, 0, false)).await;
    }
    let elsewhere = vec![created(nfts, Standard::Erc721, "Other", maker)];
    let minted = || vec![moved(nfts, 1, Address::ZERO, ada)];
    for block in [block(1, 1, elsewhere), block(2, 1, minted())] {
        deliver(&catalog.db.pool, &messages(chain(137), &block, 0, false)).await;
    }

    let on = |chain: u64, of: Address| format!("eip155:{chain}:{}", of.to_lower());
    let asked = vec![
        ada.to_lower(),
        maker.to_lower(),
        bob.to_lower(),
        address(99).to_lower(),
        on(137, ada),
        on(1, ada),
        on(137, maker),
        ada.to_lower(),
    ];
    let mut user = catalog.client("user");
    let owners = user.owner_stats(ask(asked.clone())).await.unwrap().into_inner().owners;
    let addresses: Vec<&String> = owners.iter().map(|owner| &owner.address).collect();
    assert_eq!(addresses, asked.iter().collect::<Vec<_>>(), "one each, in the order of the request");
    let counted: Vec<_> = owners.iter().map(figures).collect();
    assert_eq!(counted, [(0, 4), (3, 0), (0, 3), (0, 0), (0, 1), (0, 3), (1, 0), (0, 4)]);

    // What a reorganisation takes back is nobody's.
    let made = vec![created(nfts, Standard::Erc721, "Other", maker)];
    for taken in [block(2, 1, minted()), block(1, 1, made)] {
        deliver(&catalog.db.pool, &messages(chain(137), &taken, 0, true)).await;
    }
    let owners =
        user.owner_stats(ask(vec![maker.to_lower(), on(137, ada)])).await.unwrap().into_inner().owners;
    assert_eq!(owners.iter().map(figures).collect::<Vec<_>>(), [(2, 0), (0, 0)]);
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_user_asks_and_for_a_hundred_at_most() {
    let catalog = serve().await;
    let mut user = catalog.client("user");
    assert!(user.owner_stats(ask(vec![])).await.unwrap().into_inner().owners.is_empty());
    for addresses in
        [vec![address(1).to_lower(); 101], vec!["0x07".to_owned()], vec!["eip155:x:0x".to_owned()]]
    {
        let problem = Problem::from(&user.owner_stats(ask(addresses)).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, "addresses"));
    }
    let refused = catalog.client("gateway").owner_stats(ask(vec![])).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    catalog.end().await;
}
