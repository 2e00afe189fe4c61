//! ERC-1155 of OpenZeppelin and of solady.

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol,
    sol_types::SolValue,
};

use super::{
    Stage,
    ask::{Multi, Preset, accounts, deploy, send, view},
    told::Picture,
};
use crate::rig::Rig;

sol! {
    interface PresetMulti {
        function mint(address to, uint256 id, uint256 amount, bytes data) external;
        function mintBatch(address to, uint256[] ids, uint256[] amounts, bytes data) external;
        function burn(address from, uint256 id, uint256 amount) external;
        function burnBatch(address from, uint256[] ids, uint256[] amounts) external;
    }

    interface SoladyMulti {
        function mint(address to, uint256 id, uint256 amount) external;
        function mint(address to, uint256[] ids, uint256[] amounts) external;
        function burn(address from, uint256[] ids, uint256[] amounts) external;
    }
}

fn numbers(of: &[u64]) -> Vec<U256> {
    of.iter().map(|n| U256::from(*n)).collect()
}

/// Transfers and approvals that every ERC-1155 of these knows.
async fn trade(rig: &Rig, contract: Address, accounts: &[Address]) {
    let [_, a, b, c] = accounts[..4] else { panic!("the node has accounts") };
    let data = Bytes::new();
    let (id, amount) = (U256::from(7), U256::from(30));
    let call = Multi::safeTransferFromCall { from: a, to: b, id, amount, data: data.clone() };
    send(rig, a, contract, call).await;
    send(rig, a, contract, Multi::setApprovalForAllCall { operator: c, approved: true }).await;
    // A token twice, an amount of nothing, and everything that is there.
    let (ids, amounts) = (numbers(&[7, 8, 7, 9]), numbers(&[5, 0, 6, 1_000]));
    let call = Multi::safeBatchTransferFromCall { from: a, to: c, ids, amounts, data };
    send(rig, c, contract, call).await;
    send(rig, b, contract, Multi::setApprovalForAllCall { operator: c, approved: true }).await;
    send(rig, a, contract, Multi::setApprovalForAllCall { operator: c, approved: false }).await;
}

async fn agrees(rig: &Rig, contract: Address, picture: &Picture, accounts: &[Address]) {
    let pairs: Vec<(Address, U256)> =
        accounts.iter().flat_map(|account| picture.ever.iter().map(|id| (*account, *id))).collect();
    let (owners, ids) = pairs.iter().copied().unzip();
    let says = view(rig, contract, Multi::balanceOfBatchCall { owners, ids }).await.unwrap();
    let told: Vec<U256> =
        pairs.iter().map(|pair| picture.balances.get(pair).copied().unwrap_or_default()).collect();
    assert_eq!(told, says);
    assert!(says.iter().filter(|balance| !balance.is_zero()).count() > 3);
    assert_eq!(picture.operators.len(), 2);
    for ((owner, operator), told) in &picture.operators {
        let call = Multi::isApprovedForAllCall { owner: *owner, operator: *operator };
        assert_eq!(Some(*told), view(rig, contract, call).await, "{operator} for {owner}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openzeppelins_preset_is_told_as_it_says_itself() {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    let made =
        deploy(&stage.rig, "ERC1155PresetMinterPauser", ("ipfs://preset/{id}",).abi_encode_params()).await;
    let contract = made.0;
    stage.register("ERC1155", made);
    stage.start();
    let (rig, data) = (&stage.rig, Bytes::new());
    let (to, amount) = (accounts[1], U256::from(100));
    let call = PresetMulti::mintCall { to, id: U256::from(7), amount, data: data.clone() };
    send(rig, accounts[0], contract, call).await;
    let (ids, amounts) = (numbers(&[8, 9, 10]), numbers(&[50, 1_000, 3]));
    send(rig, accounts[0], contract, PresetMulti::mintBatchCall { to, ids, amounts, data }).await;
    trade(rig, contract, &accounts).await;
    let call = PresetMulti::burnCall { from: to, id: U256::from(8), amount: U256::from(20) };
    send(rig, to, contract, call).await;
    let (ids, amounts) = (numbers(&[7, 10]), numbers(&[1, 3]));
    send(rig, to, contract, PresetMulti::burnBatchCall { from: to, ids, amounts }).await;
    let call = Preset::grantRoleCall { role: keccak256("PAUSER_ROLE"), account: accounts[3] };
    send(rig, accounts[0], contract, call).await;
    send(rig, accounts[3], contract, Preset::pauseCall {}).await;
    send(rig, accounts[3], contract, Preset::unpauseCall {}).await;

    let events = stage.told().await;
    let (rig, picture) = (&stage.rig, Picture::of(contract, &events));
    agrees(rig, contract, &picture, &accounts).await;
    assert_eq!((picture.ever.len(), picture.roles.len(), picture.is_paused), (4, 4, false));
    assert_eq!(view(rig, contract, Preset::pausedCall {}).await, Some(false));
    for ((role, account), told) in &picture.roles {
        let call = Preset::hasRoleCall { role: *role, account: *account };
        assert_eq!(Some(*told), view(rig, contract, call).await, "{role} of {account}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soladys_erc1155_is_told_as_it_says_itself() {
    let mut stage = Stage::new().await;
    let accounts = accounts(&stage.rig).await;
    let made = deploy(&stage.rig, "SoladyERC1155", Vec::new()).await;
    let contract = made.0;
    stage.register("ERC1155", made);
    let (to, amount) = (accounts[1], U256::from(100));
    send(&stage.rig, accounts[0], contract, SoladyMulti::mint_0Call { to, id: U256::from(7), amount }).await;
    stage.start();
    let (ids, amounts) = (numbers(&[8, 9, 10]), numbers(&[50, 1_000, 3]));
    send(&stage.rig, accounts[0], contract, SoladyMulti::mint_1Call { to, ids, amounts }).await;
    trade(&stage.rig, contract, &accounts).await;
    let (ids, amounts) = (numbers(&[7, 10]), numbers(&[1, 3]));
    send(&stage.rig, to, contract, SoladyMulti::burnCall { from: to, ids, amounts }).await;

    let events = stage.told().await;
    let picture = Picture::of(contract, &events);
    assert_eq!(picture.ever.len(), 4);
    agrees(&stage.rig, contract, &picture, &accounts).await;
}
