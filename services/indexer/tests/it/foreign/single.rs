//! ERC-721 of OpenZeppelin, of ERC721A with its ranges, and of solady.

use alloy::{
    primitives::{Address, B256, U256, keccak256},
    sol,
    sol_types::SolValue,
};

use super::{
    Heard, Stage,
    ask::{Preset, Single, accounts, deploy, send, view},
    told::Picture,
};
use crate::rig::Rig;

sol! {
    interface Minting {
        function mint(address to) external;
        function mint(address to, uint256 number) external;
    }
}

fn one(to: Address) -> Minting::mint_0Call {
    Minting::mint_0Call { to }
}

fn numbered(to: Address, number: u64) -> Minting::mint_1Call {
    Minting::mint_1Call { to, number: U256::from(number) }
}

fn id(n: u64) -> U256 {
    U256::from(n)
}

/// Every token that was ever told of has the owner and the approval that the contract says, and everybody the balance.
async fn agrees(rig: &Rig, contract: Address, picture: &Picture, accounts: &[Address]) {
    assert!(!picture.ever.is_empty());
    for token in &picture.ever {
        let owner = view(rig, contract, Single::ownerOfCall { id: *token }).await;
        let told = Some(picture.owners[token]).filter(|owner| !owner.is_zero());
        assert_eq!(told, owner, "owner of {token}");
        if told.is_some() && *token < id(50) {
            let approved = view(rig, contract, Single::getApprovedCall { id: *token }).await.unwrap();
            assert_eq!(
                picture.approved.get(token).copied().unwrap_or_default(),
                approved,
                "approval of {token}"
            );
        }
    }
    for account in accounts {
        let balance = view(rig, contract, Single::balanceOfCall { owner: *account }).await.unwrap();
        assert_eq!(picture.balance(*account), balance, "balance of {account}");
    }
    assert!(!picture.operators.is_empty());
    for ((owner, operator), told) in &picture.operators {
        let call = Single::isApprovedForAllCall { owner: *owner, operator: *operator };
        assert_eq!(Some(*told), view(rig, contract, call).await, "{operator} for {owner}");
    }
}

/// Transfers, approvals and burns that every ERC-721 of these knows, with tokens 0 to 5 of the second account.
async fn trade(rig: &Rig, contract: Address, accounts: &[Address]) {
    let [_, a, b, c] = accounts[..4] else { panic!("the node has accounts") };
    send(rig, a, contract, Single::approveCall { operator: b, id: id(1) }).await;
    send(rig, b, contract, Single::transferFromCall { from: a, to: c, id: id(1) }).await;
    send(rig, a, contract, Single::approveCall { operator: b, id: id(2) }).await;
    send(rig, a, contract, Single::approveCall { operator: c, id: id(3) }).await;
    send(rig, a, contract, Single::approveCall { operator: Address::ZERO, id: id(3) }).await;
    send(rig, a, contract, Single::setApprovalForAllCall { operator: c, approved: true }).await;
    send(rig, c, contract, Single::safeTransferFromCall { from: a, to: b, id: id(4) }).await;
    send(rig, a, contract, Single::setApprovalForAllCall { operator: b, approved: true }).await;
    send(rig, a, contract, Single::setApprovalForAllCall { operator: c, approved: false }).await;
    send(rig, a, contract, Single::burnCall { id: id(5) }).await;
    // To oneself: told, and changes nothing but the approval.
    send(rig, a, contract, Single::transferFromCall { from: a, to: a, id: id(0) }).await;
}

async fn openzeppelin(heard: Heard) {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    let arguments = ("Preset", "PRE", "ipfs://preset/").abi_encode_params();
    let made = deploy(&stage.rig, "ERC721PresetMinterPauserAutoId", arguments).await;
    let contract = made.0;
    if heard == Heard::Early {
        stage.register("ERC721", made);
    }
    stage.start();
    let rig = &stage.rig;
    let (minter, pauser) = (keccak256("MINTER_ROLE"), keccak256("PAUSER_ROLE"));
    for _ in 0..7 {
        send(rig, accounts[0], contract, one(accounts[1])).await;
    }
    stage.stores.caught_up(rig).await;
    trade(rig, contract, &accounts).await;
    for (role, account) in [(minter, accounts[1]), (pauser, accounts[2]), (minter, accounts[3])] {
        send(rig, accounts[0], contract, Preset::grantRoleCall { role, account }).await;
    }
    send(rig, accounts[0], contract, Preset::revokeRoleCall { role: minter, account: accounts[3] }).await;
    send(rig, accounts[0], contract, Preset::renounceRoleCall { role: pauser, account: accounts[0] }).await;
    send(rig, accounts[1], contract, one(accounts[3])).await;
    send(rig, accounts[2], contract, Preset::pauseCall {}).await;
    if heard == Heard::Late {
        stage.stores.caught_up(rig).await;
        stage.register("ERC721", made);
    }

    let events = stage.told().await;
    let (rig, picture) = (&stage.rig, Picture::of(contract, &events));
    agrees(rig, contract, &picture, &accounts).await;
    assert_eq!((picture.ever.len(), picture.ranges), (8, 0));
    assert!(picture.is_paused);
    assert_eq!(view(rig, contract, Preset::pausedCall {}).await, Some(true));
    assert_eq!(picture.roles.len(), 6, "three of the creator, and three given: {:?}", picture.roles);
    assert!(picture.roles[&(B256::ZERO, accounts[0])]);
    for ((role, account), told) in &picture.roles {
        let call = Preset::hasRoleCall { role: *role, account: *account };
        assert_eq!(Some(*told), view(rig, contract, call).await, "{role} of {account}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openzeppelins_preset_is_told_as_it_says_itself() {
    openzeppelin(Heard::Early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openzeppelins_preset_that_is_registered_late_is_told_whole() {
    openzeppelin(Heard::Late).await;
}

async fn erc721a(heard: Heard) {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    // All of the first tokens are told by one log of the creation.
    let made = deploy(&stage.rig, "RangeERC721A", (accounts[1], id(3_000)).abi_encode_params()).await;
    let contract = made.0;
    if heard == Heard::Early {
        stage.register("ERC721", made);
    }
    stage.start();
    let rig = &stage.rig;
    send(rig, accounts[0], contract, numbered(accounts[2], 4)).await;
    trade(rig, contract, &accounts).await;
    for last in [2_999, 1_500] {
        let call = Single::transferFromCall { from: accounts[1], to: accounts[3], id: id(last) };
        send(rig, accounts[1], contract, call).await;
    }
    send(rig, accounts[2], contract, Single::burnCall { id: id(3_001) }).await;
    if heard == Heard::Late {
        stage.stores.caught_up(rig).await;
        stage.register("ERC721", made);
    }

    let events = stage.told().await;
    let picture = Picture::of(contract, &events);
    assert_eq!((picture.ever.len(), picture.ranges), (3_004, 1), "the range is one element");
    agrees(&stage.rig, contract, &picture, &accounts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_erc721a_is_told_as_one_and_is_every_owner_that_the_contract_says() {
    erc721a(Heard::Early).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_erc721a_that_is_registered_late_is_told_whole() {
    erc721a(Heard::Late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn soladys_erc721_is_told_as_it_says_itself() {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    let made = deploy(&stage.rig, "SoladyERC721", Vec::new()).await;
    let contract = made.0;
    stage.register("ERC721", made);
    for token in 0..6 {
        send(&stage.rig, accounts[0], contract, numbered(accounts[1], token)).await;
    }
    stage.start();
    // A number that needs all of its bits.
    let large = Minting::mint_1Call { to: accounts[2], number: U256::MAX };
    send(&stage.rig, accounts[0], contract, large).await;
    trade(&stage.rig, contract, &accounts).await;

    let events = stage.told().await;
    let picture = Picture::of(contract, &events);
    assert_eq!(picture.ever.len(), 7);
    agrees(&stage.rig, contract, &picture, &accounts).await;
}
