//! Answers, printed: wallets, activities and approvals as the wire has them.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::{
    common::v1::{BlockRef, ContractRef},
    wallet::v1 as pb,
};

use crate::{
    model::{Activity, Approval, Wallet},
    page::{Moment, Page, Position},
};

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<Wallet> for pb::Wallet {
    fn from(wallet: Wallet) -> pb::Wallet {
        pb::Wallet {
            wallet_id: wallet.wallet_id.to_string(),
            user_id: wallet.user_id.to_string(),
            account_id: wallet.account_id,
            address: wallet.address,
            chain_id: wallet.chain_id,
            is_primary: wallet.is_primary,
            r#type: wallet.kind,
            connector: wallet.connector.unwrap_or_default(),
            label: wallet.label.unwrap_or_default(),
            verify_time: wallet.verified_at.map(timestamp),
            create_time: Some(timestamp(wallet.created_at)),
            last_seen_time: wallet.last_seen_at.map(timestamp),
        }
    }
}

impl From<Activity> for pb::Activity {
    fn from(activity: Activity) -> pb::Activity {
        pb::Activity {
            id: activity.id.to_string(),
            wallet_id: activity.wallet_id.to_string(),
            action: activity.action,
            account_id: activity.account_id.unwrap_or_default(),
            ip_address: activity.ip_address.unwrap_or_default(),
            user_agent: activity.user_agent.unwrap_or_default(),
            time: Some(timestamp(activity.created_at)),
        }
    }
}

impl From<Approval> for pb::Approval {
    fn from(approval: Approval) -> pb::Approval {
        pb::Approval {
            owner: approval.owner,
            operator: approval.operator,
            contract: Some(ContractRef { chain_id: approval.chain_id, address: approval.contract }),
            token_id: approval.token_id.unwrap_or_default(),
            approved: approval.is_approved,
            block: Some(BlockRef {
                number: approval.block_number.unsigned_abs(),
                hash: approval.block_hash,
                time: Some(timestamp(approval.block_time)),
            }),
            tx_hash: approval.tx_hash,
            cause: approval.cause,
        }
    }
}

/// Where each row of a page ends, and the last one's end where another page follows.
fn positions<T>(page: &Page<T>, position: impl Fn(&T) -> String) -> (Vec<String>, String) {
    let positions: Vec<String> = page.rows.iter().map(position).collect();
    let next = positions.last().filter(|_| page.has_more).cloned().unwrap_or_default();
    (positions, next)
}

impl From<Page<Activity>> for pb::ListActivityResponse {
    fn from(page: Page<Activity>) -> pb::ListActivityResponse {
        let (positions, next_page_token) = positions(&page, |row| Moment::after(row).to_string());
        let activities = page.rows.into_iter().map(Into::into).collect();
        pb::ListActivityResponse { activities, next_page_token, positions }
    }
}

/// The three lists of approvals have one shape under three names.
macro_rules! page_of_approvals {
    ($response:ty) => {
        impl From<Page<Approval>> for $response {
            fn from(page: Page<Approval>) -> $response {
                let (positions, next_page_token) = positions(&page, |row| Position::after(row).to_string());
                let approvals = page.rows.into_iter().map(Into::into).collect();
                Self { approvals, next_page_token, positions }
            }
        }
    };
}

page_of_approvals!(pb::ListApprovalsResponse);
page_of_approvals!(pb::ListApprovalHistoryResponse);
page_of_approvals!(pb::ListGrantorsResponse);
