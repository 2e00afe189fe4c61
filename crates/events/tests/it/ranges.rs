//! ERC-2309: one element that says where many tokens went.

use amounts::U256;
use events::mints::TokenMoved;
use ids::{Address, TokenId};
use serde_json::json;

fn moved(last: Option<u64>) -> TokenMoved {
    TokenMoved {
        token_id: TokenId::new(U256::from(3)),
        last_token_id: last.map(|last| TokenId::new(U256::from(last))),
        from: Address::ZERO,
        to: Address::new([2; 20]),
        quantity: U256::ONE,
        operator: None,
    }
}

#[test]
fn one_token_is_written_as_it_always_was_and_a_range_names_its_last() {
    let one = serde_json::to_value(moved(None)).unwrap();
    assert_eq!(one["tokenId"], "3");
    assert!(one.get("lastTokenId").is_none(), "{one}");
    let many = serde_json::to_value(moved(Some(9))).unwrap();
    assert_eq!(
        (&many["tokenId"], &many["lastTokenId"], &many["quantity"]),
        (&json!("3"), &json!("9"), &json!("1"))
    );
    for fact in [moved(None), moved(Some(9))] {
        assert_eq!(serde_json::from_value::<TokenMoved>(serde_json::to_value(&fact).unwrap()).unwrap(), fact);
    }
}
