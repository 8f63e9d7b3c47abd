//! Files that somebody gives to `gearmesh verify`.

use gearmesh_node::evidence::Verifier;
use gearmesh_protocol::export::ExportLine;

/// An export is read line by line up to what is wrong with it; one that is right counts no more
/// values than it has lines.
pub fn export(bytes: &[u8]) {
    let mut verifier = Verifier::default();
    let mut lines = 0;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<ExportLine>(line) else { break };
        let written = serde_json::to_string(&line).expect("JSON");
        assert_eq!(serde_json::from_str::<ExportLine>(&written).ok(), Some(line.clone()));
        lines += 1;
        if verifier.take(line).is_err() {
            return;
        }
    }
    if let Ok(evidence) = verifier.finish() {
        let values: u64 = evidence.authors.values().map(|counted| counted.values).sum();
        assert!(values < lines, "more values than lines");
    }
}
