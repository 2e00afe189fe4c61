//! What happens to the money of makers of offers, in ERC-20 currencies.

use std::collections::HashSet;

use abi::topics;
use alloy_primitives::B256;
use events::orders::PaymentChanged;
use ids::Address;

use super::{
    Fact, Facts, Known, one,
    words::{Words, address, indexed},
};
use crate::model::Log;

/// Four topics are of an ERC-721 contract, which is no currency.
pub(super) fn of_currency(topic: B256, log: &Log) -> Known {
    Some(match topic {
        topics::TRANSFER if log.topics.len() == 3 => ("Transfer", transfer(log)),
        topics::APPROVAL if log.topics.len() == 3 => ("Approval", approval(log)),
        topics::DEPOSIT => ("Deposit", deposit(log)),
        topics::WITHDRAWAL => ("Withdrawal", withdrawal(log)),
        _ => return None,
    })
}

/// Whether a log of a currency is about one of these accounts. Looked at before anything is decoded: of a currency's logs
/// nearly all are about others. Who is allowed to take money is not whose money it is.
pub(crate) fn concerns(log: &Log, payers: &HashSet<Address>) -> bool {
    let is_payer = |place: usize| {
        log.topics.get(place).and_then(|topic| address(topic).ok()).is_some_and(|who| payers.contains(&who))
    };
    match log.topics.first() {
        Some(&topics::TRANSFER) if log.topics.len() == 3 => is_payer(1) || is_payer(2),
        Some(&topics::APPROVAL) if log.topics.len() == 3 => is_payer(1),
        Some(&topics::DEPOSIT | &topics::WITHDRAWAL) => is_payer(1),
        _ => false,
    }
}

fn transfer(log: &Log) -> Facts {
    let [from, to] = indexed::<2>(log)?;
    let amount = Words::of(&log.data).number(0)?;
    Ok(payment(PaymentChanged::Transferred { from: address(from)?, to: address(to)?, amount }))
}

fn approval(log: &Log) -> Facts {
    let [owner, spender] = indexed::<2>(log)?;
    let amount = Words::of(&log.data).number(0)?;
    Ok(payment(PaymentChanged::Approved { owner: address(owner)?, spender: address(spender)?, amount }))
}

fn deposit(log: &Log) -> Facts {
    let [account] = indexed::<1>(log)?;
    let amount = Words::of(&log.data).number(0)?;
    Ok(payment(PaymentChanged::Deposited { account: address(account)?, amount }))
}

fn withdrawal(log: &Log) -> Facts {
    let [account] = indexed::<1>(log)?;
    let amount = Words::of(&log.data).number(0)?;
    Ok(payment(PaymentChanged::Withdrawn { account: address(account)?, amount }))
}

fn payment(change: PaymentChanged) -> Vec<(u32, Fact)> {
    one(Fact::Payment(change))
}
