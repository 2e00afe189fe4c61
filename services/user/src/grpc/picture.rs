//! Ours as the wire has it.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::user::v1 as pb;

use crate::model::{Preferences, Stats, User};

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

impl From<User> for pb::User {
    fn from(user: User) -> pb::User {
        pb::User {
            user_id: user.user_id.to_string(),
            status: user.status,
            profile: Some(pb::Profile {
                username: user.username.unwrap_or_default(),
                display_name: user.display_name.unwrap_or_default(),
                bio: user.bio.unwrap_or_default(),
                avatar_url: user.avatar_url.unwrap_or_default(),
                banner_url: user.banner_url.unwrap_or_default(),
                locale: user.locale.unwrap_or_default(),
                timezone: user.timezone.unwrap_or_default(),
                socials: user.socials.0.into_iter().collect(),
            }),
            roles: user.roles,
            create_time: Some(timestamp(user.created_at)),
            update_time: Some(timestamp(user.updated_at)),
            version: user.version,
            revision: user.revision,
        }
    }
}

impl From<Preferences> for pb::Preferences {
    fn from(preferences: Preferences) -> pb::Preferences {
        pb::Preferences {
            email_notifications: preferences.email_notifications,
            push_notifications: preferences.push_notifications,
            marketing_emails: preferences.marketing_emails,
            language: preferences.language,
            currency: preferences.currency,
            theme: preferences.theme,
            privacy_level: preferences.privacy_level,
            show_activity: preferences.show_activity,
            version: preferences.version,
        }
    }
}

impl From<Stats> for pb::Stats {
    fn from(stats: Stats) -> pb::Stats {
        pb::Stats {
            user_id: stats.user_id.to_string(),
            collections_count: stats.collections_count,
            items_count: stats.items_count,
            listings_count: stats.listings_count,
            sales_count: stats.sales_count,
            purchases_count: stats.purchases_count,
            volume_sold: stats.volume_sold,
            volume_purchased: stats.volume_purchased,
            followers_count: stats.followers_count,
            following_count: stats.following_count,
            update_time: Some(timestamp(stats.updated_at)),
        }
    }
}
