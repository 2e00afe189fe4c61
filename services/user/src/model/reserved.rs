//! Names that nobody may take: they would be believed to be the house itself, or are places of the web page.

/// In lower case and without underscores, in order.
const RESERVED: [&str; 91] = [
    "about",
    "account",
    "accounts",
    "activity",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "apis",
    "assets",
    "auth",
    "blog",
    "bot",
    "catalog",
    "collection",
    "collections",
    "contact",
    "create",
    "creator",
    "dashboard",
    "deleted",
    "demo",
    "dev",
    "developer",
    "developers",
    "docs",
    "edit",
    "everyone",
    "explore",
    "faq",
    "favicon",
    "feed",
    "followers",
    "following",
    "graphiql",
    "graphql",
    "guest",
    "health",
    "help",
    "home",
    "http",
    "https",
    "info",
    "item",
    "items",
    "jwks",
    "legal",
    "login",
    "logout",
    "mail",
    "market",
    "marketplace",
    "media",
    "metrics",
    "mint",
    "mod",
    "moderator",
    "nobody",
    "null",
    "official",
    "operator",
    "owner",
    "postmaster",
    "privacy",
    "profile",
    "profiles",
    "ready",
    "register",
    "root",
    "search",
    "security",
    "settings",
    "signin",
    "signout",
    "signup",
    "staff",
    "static",
    "status",
    "support",
    "system",
    "team",
    "terms",
    "test",
    "token",
    "tokens",
    "undefined",
    "user",
    "users",
    "vitrine",
    "wallet",
    "webmaster",
];

/// Whether a name is kept back, in whatever case and however many underscores stand in it.
pub(super) fn is_reserved(username: &str) -> bool {
    let plain = username.replace('_', "").to_lowercase();
    RESERVED.binary_search(&plain.as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order_so_that_it_can_be_searched() {
        assert!(RESERVED.is_sorted());
        assert!(RESERVED.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase())));
    }

    #[test]
    fn a_reserved_name_is_known_in_every_disguise_and_others_are_free() {
        for name in ["admin", "ADMIN", "_admin_", "ad_min", "Vitrine", "support", "api", "graphql"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["ada", "admins_friend", "vitrine_fan", "apis4all"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
