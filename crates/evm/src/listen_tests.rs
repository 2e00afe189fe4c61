//! What becomes of what a socket says.

use super::*;

const HEAD: &str =
    r#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0x1","result":{}}}"#;
const ACCEPTED: &str = r#"{"jsonrpc":"2.0","id":2,"result":"0x1"}"#;
const PROVEN: &str = r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#;

fn hear(ear: &mut Ear<'_>, text: &str) -> Result<(), &'static str> {
    ear.hear(&Message::text(text), ChainId::new(1).unwrap())
}

/// Wakes that a socket with so much to say leads to on a chain with such blocks, and whether it is relied on then.
fn wakes(said: &[&str], block_time: Duration) -> (u64, bool, Result<(), &'static str>) {
    let place = Place::new(Endpoint::parse("ws://127.0.0.1:1", "none", 0, 1).unwrap());
    let teller = watch::Sender::new(0);
    let mut ear = Ear::new(&place, &teller, block_time);
    let heard = said.iter().try_for_each(|text| hear(&mut ear, text));
    let told = *teller.borrow();
    (told, place.is_subscribed(), heard)
}

#[test]
fn however_much_a_socket_says_it_wakes_a_few_times_a_block() {
    let said: Vec<&str> = [PROVEN, ACCEPTED].into_iter().chain(std::iter::repeat_n(HEAD, 1_000)).collect();
    // That it lives, and one head; the next wake is due a quarter of a block later.
    assert_eq!(wakes(&said, Duration::from_secs(3_600)), (2, true, Ok(())));
    let place = Place::new(Endpoint::parse("ws://127.0.0.1:1", "none", 0, 1).unwrap());
    let teller = watch::Sender::new(0);
    for (block_time, apart) in [(0, 50), (100, 50), (2_000, 500), (12_000, 3_000)]
        .map(|(block, apart)| (Duration::from_millis(block), Duration::from_millis(apart)))
    {
        assert_eq!(Ear::new(&place, &teller, block_time).apart, apart);
    }
}

#[test]
fn one_that_does_not_say_which_chain_it_serves_is_not_relied_on() {
    let block_time = Duration::from_secs(1);
    for refusal in [
        r#"{"id":1,"error":{"code":-32601,"message":"no such method"}}"#,
        r#"{"id":1,"result":null}"#,
        r#"{"id":1,"result":"0x1","error":{"code":1}}"#,
        r#"{"id":1,"result":"0x2"}"#,
    ] {
        let (told, is_alive, heard) = wakes(&[ACCEPTED, HEAD, refusal], block_time);
        assert!(told == 0 && !is_alive && heard.is_err(), "{refusal}");
    }
    assert_eq!(wakes(&[ACCEPTED, HEAD, HEAD], block_time), (0, false, Ok(())), "it has not said so yet");
    assert_eq!(wakes(&[ACCEPTED, PROVEN], block_time), (1, true, Ok(())), "in whatever order it answers");
}
