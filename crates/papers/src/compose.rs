//! `docker-compose.yml`, line by line: enough of YAML to know each service's block, its environment and its ports.
use std::collections::BTreeMap;

/// One entry of `services:`.
#[derive(Debug, Default)]
pub struct Block {
    pub lines: Vec<String>,
    /// Keys of the block itself: `image`, `environment`, `<<`.
    pub keys: BTreeMap<String, String>,
    pub environment: BTreeMap<String, String>,
    pub ports: Vec<String>,
}

/// The services of a file that is indented by two.
pub fn services(text: &str) -> BTreeMap<String, Block> {
    let mut blocks: BTreeMap<String, Block> = BTreeMap::new();
    let (mut in_services, mut service, mut key) = (false, String::new(), String::new());
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let (indent, words) = (line.len() - line.trim_start().len(), line.trim());
        if words.is_empty() {
            continue;
        }
        if indent == 0 {
            in_services = words == "services:";
            continue;
        }
        if !in_services {
            continue;
        }
        if indent == 2 {
            service = words.trim_end_matches(':').to_owned();
            blocks.entry(service.clone()).or_default();
            continue;
        }
        let Some(block) = blocks.get_mut(&service) else { continue };
        block.lines.push(words.to_owned());
        let pair = words.split_once(": ").or_else(|| Some((words.strip_suffix(':')?, "")));
        match (indent, pair) {
            (4, Some((name, value))) => {
                key = name.to_owned();
                block.keys.insert(name.to_owned(), unquoted(value));
            }
            (6, Some((name, value))) if key == "environment" => {
                block.environment.insert(name.to_owned(), unquoted(value));
            }
            (6, _) if key == "ports" => block.ports.push(unquoted(words.trim_start_matches("- "))),
            _ => {}
        }
    }
    blocks
}

fn unquoted(value: &str) -> String {
    value.trim().trim_matches('"').to_owned()
}

/// `${NAME:-fallback}` becomes the fallback, `${NAME}` what `known` has.
pub fn filled_in(value: &str, known: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inner, behind)) = after.split_once('}') else { break };
        let (name, fallback) = inner.split_once(":-").unwrap_or((inner, ""));
        text += before;
        text += known.get(name).map_or(fallback, String::as_str);
        rest = behind;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{filled_in, services};

    #[test]
    fn a_block_has_its_environment_and_its_ports() {
        let text = "x-a: &a\n  image: none\nservices:\n  wallet:\n    <<: *a\n    environment:\n      A__B: \"c:1\"\n    \
                    ports:\n      - \"127.0.0.1:1:1\"\n    # A__C: no\nvolumes:\n  data:\n";
        let blocks = services(text);
        assert_eq!(blocks.keys().collect::<Vec<_>>(), ["wallet"]);
        assert_eq!(blocks["wallet"].environment, BTreeMap::from([("A__B".to_owned(), "c:1".to_owned())]));
        assert_eq!(blocks["wallet"].ports, ["127.0.0.1:1:1"]);
        assert_eq!(blocks["wallet"].keys["<<"], "*a");
    }

    #[test]
    fn variables_are_filled_in() {
        let known = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        assert_eq!(filled_in("p${A:-y}q${B:-z}", &known), "pxqz");
    }
}
