//! Who held how much at a block, as orchestrator asks for it.

use std::collections::BTreeMap;

use events::Standard;
use ids::Address;
use proto::{
    catalog::v1::{ListHoldersAtRequest, catalog_service_client::CatalogServiceClient},
    common::v1::ContractRef,
};
use rpc::{Channel, Code, Problem};

use super::{
    fake::{Event, FakeBlock, What, address, block, chain, created, deliver, messages, moved, moved_many},
    rig::serve,
};

fn ask(contract: Address, block_number: u64) -> ListHoldersAtRequest {
    ListHoldersAtRequest {
        collection: Some(ContractRef { chain_id: "eip155:1".to_owned(), address: contract.to_lower() }),
        block_number,
        min_quantity: String::new(),
        page_size: 10_000,
        page_token: String::new(),
        moves_from_block: 0,
    }
}

/// All pages, and how many there were.
async fn holders(
    orchestrator: &mut CatalogServiceClient<Channel>,
    mut ask: ListHoldersAtRequest,
) -> (Vec<(String, String)>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = orchestrator.list_holders_at(ask.clone()).await.unwrap().into_inner();
        all.extend(page.holders.into_iter().map(|holder| (holder.address, holder.quantity)));
        pages += 1;
        if page.next_page_token.is_empty() {
            return (all, pages);
        }
        assert!(page.next_page_token > ask.page_token, "pages go on");
        ask.page_token = page.next_page_token;
    }
}

/// The same from the canonical blocks, the slow way.
fn counted(blocks: &[FakeBlock], contract: Address, number: u64, least: i64) -> Vec<(String, String)> {
    let mut sums: BTreeMap<Address, i64> = BTreeMap::new();
    for event in blocks.iter().filter(|block| block.number <= number).flat_map(|block| &block.events) {
        let What::Moved(moved) = &event.what else { continue };
        if event.contract == contract {
            let quantity: i64 = moved.quantity.to();
            *sums.entry(moved.from).or_default() -= quantity;
            *sums.entry(moved.to).or_default() += quantity;
        }
    }
    let held = sums.into_iter().filter(|(owner, sum)| !owner.is_zero() && *sum >= least);
    held.map(|(owner, sum)| (owner.to_lower(), sum.to_string())).collect()
}

/// Mints, transfers and burns that follow from the numbers alone.
fn moves(nfts: Address, editions: Address, number: u64, fork: u64) -> Vec<Event> {
    let account = |n: u64| address(10 + n % 7);
    let seed = number * 31 + fork * 17;
    let token = number * 10;
    vec![
        moved(nfts, token, Address::ZERO, account(seed)),
        moved(nfts, token + 1, Address::ZERO, account(seed + 3)),
        moved(nfts, token, account(seed), account(seed + 1)),
        moved(nfts, token + 1, account(seed + 3), Address::ZERO),
        moved_many(editions, 1, Address::ZERO, account(seed + 2), 10),
        moved_many(editions, 2, Address::ZERO, account(seed + 2), 5),
        moved_many(editions, 1, account(seed + 2), account(seed + 4), 4),
        moved_many(editions, 2, account(seed + 2), account(seed + 2), 1),
        moved_many(editions, 2, account(seed + 2), Address::ZERO, seed % 3),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_at_any_block_are_those_of_the_blocks_that_stand() {
    let catalog = serve().await;
    let (nfts, editions, maker) = (address(0xc0), address(0xc2), address(1));
    let born = vec![
        created(nfts, Standard::Erc721, "Nfts", maker),
        created(editions, Standard::Erc1155, "Editions", maker),
    ];
    let mut blocks = vec![block(1, 1, born)];
    blocks.extend((2..=12).map(|number| block(number, 1, moves(nfts, editions, number, 1))));
    for block in &blocks {
        deliver(&catalog.db.pool, &messages(chain(1), block, 0, false)).await;
    }
    // Blocks 9 to 12 are reorganised away; three others take their place.
    for block in blocks.drain(8..).rev().collect::<Vec<_>>() {
        deliver(&catalog.db.pool, &messages(chain(1), &block, 0, true)).await;
    }
    for number in 9..=11 {
        let other = block(number, 2, moves(nfts, editions, number, 2));
        deliver(&catalog.db.pool, &messages(chain(1), &other, 0, false)).await;
        blocks.push(other);
    }

    let mut orchestrator = catalog.client("orchestrator");
    for contract in [nfts, editions] {
        for number in [0, 1, 2, 5, 8, 9, 10, 11, 12, u64::MAX] {
            let expected = counted(&blocks, contract, number, 1);
            assert_eq!(holders(&mut orchestrator, ask(contract, number)).await.0, expected, "{number}");
            let few = ListHoldersAtRequest { page_size: 2, ..ask(contract, number) };
            let (paged, pages) = holders(&mut orchestrator, few).await;
            assert_eq!(paged, expected, "{number} in pages of two");
            // Each of the seven accounts is looked at once.
            assert!(pages <= 4, "{pages} pages");
        }
        // Logs are counted, as the chain has them: of the blocks that stand.
        for (first, last) in [(1, 12), (3, 9), (9, 11), (12, 20)] {
            let request = ListHoldersAtRequest { moves_from_block: first, ..ask(contract, last) };
            let told = orchestrator.list_holders_at(request).await.unwrap().into_inner().moves;
            let of_these = blocks.iter().filter(|block| (first..=last).contains(&block.number));
            let events = of_these.flat_map(|block| &block.events);
            let moves = events.filter(|e| e.contract == contract && matches!(e.what, What::Moved(_))).count();
            assert_eq!(told, moves as u64, "{first} to {last}");
        }
        assert_eq!(orchestrator.list_holders_at(ask(contract, 11)).await.unwrap().into_inner().moves, 0);
        let all = counted(&blocks, contract, 11, 1);
        let most: i64 = all.iter().map(|(_, quantity)| quantity.parse().unwrap()).max().unwrap();
        let rich = ListHoldersAtRequest { min_quantity: most.to_string(), ..ask(contract, 11) };
        let expected = counted(&blocks, contract, 11, most);
        assert!(!expected.is_empty() && expected.len() < all.len());
        assert_eq!(holders(&mut orchestrator, rich).await.0, expected);
    }
    catalog.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_is_refused_with_its_reason() {
    let catalog = serve().await;
    let nfts = address(0xc0);
    let mut orchestrator = catalog.client("orchestrator");
    let unknown = orchestrator.list_holders_at(ask(nfts, 1)).await.unwrap_err();
    assert_eq!(Problem::from(&unknown).code, Code::NotFound);

    // Only its tokens are known: it has holders all the same.
    let minted = block(1, 1, vec![moved(nfts, 1, Address::ZERO, address(10))]);
    deliver(&catalog.db.pool, &messages(chain(1), &minted, 0, false)).await;
    let held = holders(&mut orchestrator, ask(nfts, 1)).await.0;
    assert_eq!(held, [(address(10).to_lower(), "1".to_owned())]);

    let wrong = [
        ("collection", ListHoldersAtRequest { collection: None, ..ask(nfts, 1) }),
        ("page_size", ListHoldersAtRequest { page_size: 0, ..ask(nfts, 1) }),
        ("page_size", ListHoldersAtRequest { page_size: 10_001, ..ask(nfts, 1) }),
        ("min_quantity", ListHoldersAtRequest { min_quantity: "0".to_owned(), ..ask(nfts, 1) }),
        ("min_quantity", ListHoldersAtRequest { min_quantity: "-1".to_owned(), ..ask(nfts, 1) }),
    ];
    for (path, request) in wrong {
        let problem = Problem::from(&orchestrator.list_holders_at(request).await.unwrap_err());
        assert_eq!((problem.code, problem.violations[0].path.as_str()), (Code::BadInput, path));
    }
    let lost = ListHoldersAtRequest { page_token: "7".to_owned(), ..ask(nfts, 1) };
    let problem = Problem::from(&orchestrator.list_holders_at(lost).await.unwrap_err());
    assert_eq!(problem.reason, "BAD_CURSOR");
    let refused = catalog.client("gateway").list_holders_at(ask(nfts, 1)).await.unwrap_err();
    assert_eq!(Problem::from(&refused).code, Code::Forbidden);
    catalog.end().await;
}
