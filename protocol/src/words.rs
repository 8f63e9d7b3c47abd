//! Check words: what two people compare by eye or by phone.

/// 256 short words that are hard to confuse, one for each byte.
const WORDS: [&str; 256] = [
    "acorn", "actor", "adobe", "agent", "album", "alley", "amber", "anchor", "angle", "apple",
    "april", "apron", "arrow", "atlas", "attic", "autumn", "badge", "bagel", "baker", "balsa",
    "bamboo", "banjo", "barrel", "basil", "basket", "beacon", "beaver", "bench", "berry", "bishop",
    "blanket", "blossom", "bonfire", "border", "bottle", "brandy", "bridge", "broom", "bucket",
    "buffalo", "bunker", "butter", "cabin", "cactus", "camel", "canal", "candle", "canvas",
    "carbon", "cargo", "carpet", "castle", "cedar", "cellar", "chalk", "cherry", "chess",
    "chimney", "cider", "circus", "citrus", "clover", "cobalt", "coffee", "comet", "copper",
    "coral", "cotton", "cousin", "cradle", "crater", "cricket", "crystal", "cuckoo", "curtain",
    "daisy", "dancer", "delta", "denim", "desert", "diamond", "dolphin", "domino", "donkey",
    "dragon", "eagle", "easel", "echo", "elbow", "ember", "emerald", "engine", "escort", "fabric",
    "falcon", "farmer", "feather", "fennel", "ferry", "fiddle", "finger", "flannel", "flute",
    "forest", "fossil", "fountain", "fox", "galaxy", "garden", "garlic", "gazelle", "ginger",
    "giraffe", "glacier", "goblet", "gondola", "granite", "grape", "gravel", "guitar", "hammer",
    "harbor", "harvest", "hazel", "helmet", "herring", "hockey", "honey", "horizon", "hornet",
    "igloo", "indigo", "insect", "iris", "island", "ivory", "jacket", "jaguar", "jasmine", "jelly",
    "jersey", "jewel", "jigsaw", "jungle", "kayak", "kennel", "kettle", "kitchen", "kitten",
    "ladder", "lagoon", "lantern", "lavender", "leather", "lemon", "lettuce", "lilac", "linen",
    "lizard", "lobster", "locket", "lotus", "magnet", "mango", "maple", "marble", "market",
    "meadow", "melon", "mirror", "mitten", "monkey", "mosaic", "muffin", "museum", "mustard",
    "napkin", "nectar", "needle", "nickel", "nutmeg", "oasis", "ocean", "olive", "onion", "opera",
    "orange", "orbit", "orchid", "otter", "oyster", "paddle", "palace", "panda", "paper", "parrot",
    "pebble", "pelican", "pencil", "pepper", "piano", "pigeon", "pillow", "pirate", "planet",
    "plum", "pocket", "poplar", "potato", "prairie", "puppet", "quartz", "quilt", "rabbit",
    "radish", "raven", "ribbon", "river", "robin", "rocket", "rubber", "saddle", "saffron",
    "salmon", "sandal", "satin", "scarlet", "shadow", "silver", "sparrow", "spider", "spruce",
    "statue", "summer", "sunset", "tablet", "temple", "thunder", "tiger", "timber", "tomato",
    "trumpet", "tulip", "tunnel", "turtle", "umbrella", "vanilla", "velvet", "violin", "walnut",
    "willow", "winter", "yogurt", "zebra", "zigzag", "zinc",
];

/// Words of a plant or a key: five for 40 bits, enough for two people who compare what each of
/// them sees, and far too few to be the only check against somebody who may try for a week.
#[must_use]
pub fn check_words(bytes: &[u8; 32]) -> String {
    let digest = blake3::derive_key("gearmesh 2026 check words v1", bytes);
    let words: Vec<&str> = digest[..5].iter().map(|byte| WORDS[usize::from(*byte)]).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_has_a_word_of_its_own() {
        assert_eq!(WORDS.iter().collect::<BTreeSet<_>>().len(), 256);
    }

    #[test]
    fn words_differ_with_the_bytes() {
        assert_ne!(check_words(&[0; 32]), check_words(&[1; 32]));
        assert_eq!(check_words(&[0; 32]).split(' ').count(), 5);
    }
}
