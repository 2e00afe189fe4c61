//! Whether a wallet may mint, and in which stage, from what the collection says of itself. Pure.

use abi::launchpad::MintInfo;
use alloy::primitives::{Address, B256, U256};

use crate::{allowlist::is_proved, model::Problem, simulate::ether};

/// What a wallet needs to use a stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Access {
    /// Nothing: anybody may.
    Open,
    /// Its place on the list, proven.
    Listed(Vec<B256>),
    /// It is not on the list.
    NotListed,
    /// No list with the stage's root is stored, and no proof was given that leads to it.
    ListUnknown,
}

/// One stage as one wallet sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    pub(crate) info: MintInfo,
    pub(crate) access: Access,
}

/// What the collection and the chain say to one wallet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) wallet: Address,
    /// The time that stages are judged at, in seconds since 1970: the clock's, or the newest block's where that is later.
    pub(crate) at: u64,
    /// All stages, in the collection's order.
    pub(crate) offers: Vec<Offer>,
    pub(crate) is_paused: bool,
    /// 0 for unlimited.
    pub(crate) max_supply: U256,
    /// What the supply is counted against: all tokens of an ERC-721, the units of one id of an ERC-1155.
    pub(crate) minted: U256,
    pub(crate) balance: U256,
}

/// The answer. Where the wallet may not mint, `offer` is the stage that comes nearest to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Eligibility {
    pub(crate) problem: Option<Problem>,
    pub(crate) offer: Option<Offer>,
    /// What the mint costs.
    pub(crate) value: U256,
    /// None for unlimited.
    pub(crate) wallet_left: Option<U256>,
    pub(crate) supply_left: Option<U256>,
    /// None where it was not read.
    pub(crate) balance: Option<U256>,
    pub(crate) is_paused: bool,
    /// When the next stage opens, in seconds since 1970, where none is open.
    pub(crate) next_stage_at: Option<u64>,
}

/// The best stage for the wallet: of those that it may use now for so many tokens (the stage is open, the wallet is
/// on its list where it has one, the wallet's limit, the stage's and the collection's supply leave enough) the
/// cheapest, of equally cheap ones the first. Where it may use none, the reason is that of the stage that comes
/// nearest: one whose list the wallet is on before one that it is not on, the cheaper one first.
///
/// Which stages are open is told by their times. The collection's own word is of the newest block's time, and the mint
/// will be in a later one.
pub(crate) fn judge(reading: &Reading, quantity: U256, expected_price: Option<U256>) -> Eligibility {
    let is_open_now = |offer: &&Offer| is_open(&offer.info, reading.at);
    let mut open: Vec<&Offer> = reading.offers.iter().filter(is_open_now).collect();
    open.sort_by_key(|offer| offer.info.price);
    let judged = open.iter().map(|offer| (*offer, refusal(reading, offer, quantity)));
    let nearest = judged.min_by_key(|(_, refusal)| refusal.as_ref().map(|(distance, _)| *distance));
    let (offer, mut problem) = match nearest {
        Some((offer, refusal)) => (Some(offer), refusal.map(|(_, problem)| problem)),
        None => (None, Some(problem("MINT_NOT_OPEN", "no stage is open"))),
    };
    let value = offer.map_or(Some(U256::ZERO), |offer| offer.info.price.checked_mul(quantity));
    if problem.is_none() {
        problem = offer.and_then(|offer| price_problem(reading, offer.info.price, value, expected_price));
    }
    if reading.is_paused {
        problem = Some(self::problem("MINT_PAUSED", "minting is paused"));
    }
    let upcoming = reading.offers.iter().filter(|offer| offer.info.startsAt > reading.at);
    Eligibility {
        problem,
        offer: offer.cloned(),
        value: value.unwrap_or(U256::MAX),
        wallet_left: offer.map(|offer| offer.info.limitLeft).filter(|left| *left != U256::MAX),
        supply_left: supply_left(reading, offer),
        balance: Some(reading.balance),
        is_paused: reading.is_paused,
        next_stage_at: if open.is_empty() { upcoming.map(|offer| offer.info.startsAt).min() } else { None },
    }
}

/// Whether somebody may mint free tokens outside the stages, which the supply alone bounds.
pub(crate) fn judge_own(reading: &Reading, quantity: U256, is_minter: bool) -> Eligibility {
    let left = left(reading.max_supply, reading.minted);
    let problem = if !is_minter {
        let message =
            format!("{:#x} may not mint outside the stages: it lacks the minter's role", reading.wallet);
        Some(problem("NOT_OWNER", message))
    } else if reading.is_paused {
        Some(problem("MINT_PAUSED", "minting is paused"))
    } else {
        let left = left.filter(|left| quantity > *left);
        left.map(|left| problem("SOLD_OUT", format!("{left} of {} are left", reading.max_supply)))
    };
    let is_paused = reading.is_paused;
    let balance = Some(reading.balance);
    Eligibility { problem, supply_left: left, balance, is_paused, ..Eligibility::default() }
}

impl Eligibility {
    /// Of a collection that cannot be asked.
    pub(crate) fn impossible(problem: Problem) -> Eligibility {
        Eligibility { problem: Some(problem), ..Eligibility::default() }
    }
}

/// Why the wallet may not use an open stage for so many; the lower the number, the nearer it comes.
fn refusal(reading: &Reading, offer: &Offer, quantity: U256) -> Option<(u8, Problem)> {
    let Offer { info, access } = offer;
    let all_left = left(reading.max_supply, reading.minted);
    if all_left == Some(U256::ZERO) {
        return Some((1, problem("SOLD_OUT", format!("all {} are minted", reading.max_supply))));
    }
    match access {
        Access::Open | Access::Listed(_) => {}
        Access::NotListed => {
            let message = format!("{:#x} is not on the allowlist", reading.wallet);
            return Some((2, problem("NOT_ALLOWLISTED", message)));
        }
        Access::ListUnknown => {
            let message = "the allowlist is not stored here, and no proof that leads to its root was given";
            return Some((2, problem("NOT_ALLOWLISTED", message)));
        }
    }
    if quantity > info.limitLeft {
        let message = format!("{} of {} are left for the wallet", info.limitLeft, info.maxPerWallet);
        return Some((1, problem("MINT_LIMIT_REACHED", message)));
    }
    if let Some(left) = left(info.stageMaxSupply, info.stageMinted).filter(|left| quantity > *left) {
        let message = format!("{left} of {} are left in this stage", info.stageMaxSupply);
        return Some((1, problem("SOLD_OUT", message)));
    }
    if let Some(left) = all_left.filter(|left| quantity > *left) {
        return Some((1, problem("SOLD_OUT", format!("{left} of {} are left", reading.max_supply))));
    }
    None
}

fn price_problem(
    reading: &Reading,
    price: U256,
    value: Option<U256>,
    expected: Option<U256>,
) -> Option<Problem> {
    if let Some(expected) = expected.filter(|expected| *expected != price) {
        let message = format!("one costs {} now, not {}", ether(price), ether(expected));
        return Some(problem("PRICE_CHANGED", message));
    }
    let Some(value) = value else {
        return Some(problem("TX_WILL_FAIL", "the price of so many is beyond 2^256"));
    };
    if value > reading.balance {
        let (has, needs) = (ether(reading.balance), ether(value));
        let message = format!(
            "the wallet holds {has} of the chain's native currency and needs {needs}, and gas on top"
        );
        return Some(problem("INSUFFICIENT_BALANCE", message));
    }
    None
}

fn problem(code: &str, message: impl Into<String>) -> Problem {
    Problem { code: code.to_owned(), message: message.into() }
}

/// What a bound leaves; None where there is none.
fn left(most: U256, minted: U256) -> Option<U256> {
    (!most.is_zero()).then(|| most.saturating_sub(minted))
}

fn supply_left(reading: &Reading, offer: Option<&Offer>) -> Option<U256> {
    let of_stage = offer.and_then(|offer| left(offer.info.stageMaxSupply, offer.info.stageMinted));
    of_stage.into_iter().chain(left(reading.max_supply, reading.minted)).min()
}

/// Whether a stage's window holds at a time.
pub(crate) fn is_open(info: &MintInfo, at: u64) -> bool {
    info.startsAt <= at && (info.endsAt == 0 || at < info.endsAt)
}

/// Whether the proof leads from the wallet to the stage's root.
pub(crate) fn is_listed(wallet: Address, proof: &[B256], root: B256) -> bool {
    is_proved(root, wallet.into(), proof)
}

/// The implementation that an EIP-1167 clone points to; None for any other code.
pub(crate) fn implementation_of(code: &[u8]) -> Option<Address> {
    const BEFORE: [u8; 10] = [0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73];
    const AFTER: [u8; 15] =
        [0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3];
    let address = code.strip_prefix(&BEFORE)?.strip_suffix(&AFTER)?;
    (address.len() == 20).then(|| Address::from_slice(address))
}

#[cfg(test)]
mod tests {
    use alloy::{primitives::keccak256, sol_types::SolValue};

    use super::*;

    fn offer(id: u64, price: u64) -> Offer {
        let info = MintInfo {
            open: true,
            stageId: U256::from(id),
            kind: 1,
            price: U256::from(price),
            startsAt: 0,
            endsAt: 0,
            maxPerWallet: U256::from(5),
            merkleRoot: B256::ZERO,
            minted: U256::from(2),
            limitLeft: U256::from(3),
            totalMinted: U256::from(8),
            maxSupply: U256::from(10),
            paused: false,
            stageMaxSupply: U256::ZERO,
            stageMinted: U256::ZERO,
        };
        Offer { info, access: Access::Open }
    }

    fn reading(offers: Vec<Offer>) -> Reading {
        Reading {
            wallet: Address::repeat_byte(1),
            at: 100,
            offers,
            is_paused: false,
            max_supply: U256::from(10),
            minted: U256::from(8),
            balance: U256::MAX,
        }
    }

    fn decide(reading: &Reading, quantity: u64) -> Eligibility {
        judge(reading, U256::from(quantity), None)
    }

    fn code(reading: &Reading, quantity: u64) -> String {
        decide(reading, quantity).problem.map(|problem| problem.code).unwrap_or_default()
    }

    #[test]
    fn the_price_is_exact_beyond_64_bits() {
        let mut dear = offer(0, 0);
        dear.info.price = U256::from(10).pow(U256::from(20));
        let found = decide(&reading(vec![dear]), 2);
        assert_eq!((found.problem, found.value.to_string().as_str()), (None, "200000000000000000000"));
        assert_eq!((found.wallet_left, found.supply_left), (Some(U256::from(3)), Some(U256::from(2))));
    }

    #[test]
    fn each_reason_has_its_code() {
        let of = |change: fn(&mut Offer)| {
            let mut offer = offer(0, 1);
            change(&mut offer);
            reading(vec![offer])
        };
        assert_eq!(code(&of(|_| ()), 2), "");
        assert_eq!(code(&of(|_| ()), 4), "MINT_LIMIT_REACHED");
        assert_eq!(code(&of(|_| ()), 3), "SOLD_OUT");
        assert_eq!(code(&of(|offer| offer.info.startsAt = 101), 1), "MINT_NOT_OPEN");
        assert_eq!(code(&of(|offer| offer.access = Access::NotListed), 1), "NOT_ALLOWLISTED");
        assert_eq!(code(&of(|offer| offer.access = Access::ListUnknown), 1), "NOT_ALLOWLISTED");
        assert_eq!(code(&of(|offer| offer.info.price = U256::MAX), 2), "TX_WILL_FAIL");
        let of_stage =
            of(|offer| (offer.info.stageMaxSupply, offer.info.stageMinted) = (U256::from(4), U256::from(3)));
        assert_eq!((code(&of_stage, 1).as_str(), code(&of_stage, 2).as_str()), ("", "SOLD_OUT"));
        assert_eq!(decide(&of_stage, 1).supply_left, Some(U256::from(1)));
        assert_eq!(code(&Reading { is_paused: true, ..of(|_| ()) }, 1), "MINT_PAUSED");
        assert_eq!(code(&Reading { balance: U256::from(1), ..of(|_| ()) }, 2), "INSUFFICIENT_BALANCE");
        // Nothing is left for anybody: who is not on the list need not look for a way onto it.
        let gone = Reading { minted: U256::from(10), ..of(|offer| offer.access = Access::NotListed) };
        assert_eq!(code(&gone, 1), "SOLD_OUT");
    }

    #[test]
    fn the_cheapest_stage_that_the_wallet_may_use_is_taken() {
        let listed = |id, price| Offer { access: Access::Listed(vec![B256::ZERO]), ..offer(id, price) };
        let barred = |id, price| Offer { access: Access::NotListed, ..offer(id, price) };
        let id = |offers: Vec<Offer>, quantity| {
            let found = decide(&reading(offers), quantity);
            assert_eq!(found.problem, None);
            found.offer.unwrap().info.stageId.to::<u64>()
        };
        assert_eq!(id(vec![offer(0, 5), listed(1, 2)], 1), 1);
        assert_eq!(id(vec![offer(0, 2), listed(1, 5)], 1), 0);
        assert_eq!(id(vec![offer(0, 5), barred(1, 2)], 1), 0);
        assert_eq!(id(vec![offer(0, 5), offer(1, 5)], 1), 0);
        let mut used_up = listed(1, 2);
        used_up.info.limitLeft = U256::ZERO;
        assert_eq!(id(vec![offer(0, 5), used_up.clone()], 1), 0);
        let mut emptied = listed(1, 2);
        (emptied.info.stageMaxSupply, emptied.info.stageMinted) = (U256::from(1), U256::from(1));
        assert_eq!(id(vec![offer(0, 5), emptied], 1), 0);
        // With none left, the list that the wallet is on is what is told of.
        let found = decide(&reading(vec![barred(0, 1), used_up]), 1);
        assert_eq!(found.problem.unwrap().code, "MINT_LIMIT_REACHED");
        assert_eq!(found.offer.unwrap().info.stageId, U256::from(1));
    }

    #[test]
    fn another_price_than_the_user_saw_is_told() {
        let reading = reading(vec![offer(0, 7)]);
        let of = |price: u64| judge(&reading, U256::from(2), Some(U256::from(price))).problem;
        assert_eq!(of(7), None);
        for price in [6, 8, 14] {
            assert_eq!(of(price).unwrap().code, "PRICE_CHANGED");
        }
    }

    #[test]
    fn a_creators_own_mint_needs_the_role_and_the_supply_alone() {
        let reading = reading(vec![]);
        let code = |reading: &Reading, quantity: u64, is_minter| {
            judge_own(reading, U256::from(quantity), is_minter).problem.map(|problem| problem.code)
        };
        assert_eq!(code(&reading, 2, true), None);
        assert_eq!(code(&reading, 2, false).as_deref(), Some("NOT_OWNER"));
        assert_eq!(code(&reading, 3, true).as_deref(), Some("SOLD_OUT"));
        assert_eq!(code(&Reading { is_paused: true, ..reading }, 1, true).as_deref(), Some("MINT_PAUSED"));
    }

    #[test]
    fn the_next_stage_is_told_where_none_is_open() {
        let closed = |starts_at, ends_at| {
            let mut offer = offer(0, 1);
            (offer.info.startsAt, offer.info.endsAt) = (starts_at, ends_at);
            offer
        };
        let found = decide(&reading(vec![closed(300, 0), closed(200, 400), closed(10, 50)]), 1);
        assert_eq!((found.next_stage_at, found.offer), (Some(200), None));
        assert_eq!(decide(&reading(vec![closed(10, 50)]), 1).next_stage_at, None);
        assert_eq!(decide(&reading(vec![closed(300, 0), offer(1, 1)]), 1).next_stage_at, None);
    }

    #[test]
    fn a_stage_is_open_by_the_clock_whatever_an_old_block_says() {
        let at = |open, starts_at, ends_at| {
            let mut offer = offer(0, 1);
            (offer.info.open, offer.info.startsAt, offer.info.endsAt) = (open, starts_at, ends_at);
            code(&reading(vec![offer]), 1)
        };
        assert_eq!(at(false, 100, 0), "");
        assert_eq!(at(false, 99, 101), "");
        assert_eq!(at(true, 1, 100), "MINT_NOT_OPEN");
        assert_eq!(at(true, 101, 0), "MINT_NOT_OPEN");
        let begun = decide(&reading(vec![Offer { access: Access::NotListed, ..offer(0, 1) }]), 1);
        assert_eq!(begun.next_stage_at, None);
    }

    #[test]
    fn an_unlimited_supply_never_sells_out() {
        let mut offer = offer(0, 1);
        offer.info.limitLeft = U256::MAX;
        let reading = Reading { max_supply: U256::ZERO, minted: U256::MAX, ..reading(vec![offer]) };
        let found = decide(&reading, 200);
        assert_eq!((found.problem, found.wallet_left, found.supply_left), (None, None, None));
    }

    #[test]
    fn a_proof_holds_for_its_wallet_alone() {
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let leaf = |wallet: Address| keccak256(keccak256(wallet.abi_encode()));
        let (low, high) = if leaf(a) < leaf(b) { (leaf(a), leaf(b)) } else { (leaf(b), leaf(a)) };
        let root = keccak256([low.as_slice(), high.as_slice()].concat());
        assert!(is_listed(a, &[leaf(b)], root) && is_listed(b, &[leaf(a)], root));
        assert!(!is_listed(Address::repeat_byte(3), &[leaf(a)], root));
        assert!(!is_listed(a, &[], root));
        assert!(is_listed(a, &[], leaf(a)) && !is_listed(a, &[], B256::ZERO));
    }

    #[test]
    fn a_clone_is_told_from_other_code() {
        let target = Address::repeat_byte(0xab);
        let mut clone = vec![0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73];
        clone.extend_from_slice(target.as_slice());
        clone.extend([
            0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3,
        ]);
        assert_eq!(implementation_of(&clone), Some(target));
        assert_eq!(implementation_of(&[]), None);
        clone.push(0);
        assert_eq!(implementation_of(&clone), None);
    }
}
