//! Why a node does not start or a plant is not founded, as the refusals that people look up.
//!
//! The errors name the file, the address or the system's answer; here each gets its code, and a
//! line that mends it on this very machine.

use std::path::Path;

use gearmesh_protocol::local::ErrorBody;
use gearmesh_protocol::refusal::Refusal;

use super::belonging::FoundError;
use super::data::DataError;
use super::home::HomeError;
use super::journal::OpenError;
use super::listen::socket_of;
use super::plant::swarm::PlaneError;
use super::run::StartError;
use super::tokens::TokensError;

impl From<&StartError> for ErrorBody {
    fn from(error: &StartError) -> Self {
        let refusal = match error {
            StartError::Home(error) => return error.into(),
            StartError::Journal(error) => return journal(error),
            StartError::Plane(error) => return plane(error),
            StartError::Running { home } => {
                return said(Refusal::Running, error)
                    .mended_by(format!("look at it: gearmesh --home {} status", home.display()));
            }
            StartError::KeyMissing { .. } => Refusal::KeyMissing,
            StartError::KeyForeign { .. } => Refusal::KeyForeign,
            StartError::JournalMissing { .. } => Refusal::JournalMissing,
            StartError::Append(_) => Refusal::JournalNotWritten,
            StartError::Data(error) => return data(error),
            StartError::PortInUse { .. } => Refusal::PortInUse,
            StartError::NoPort => Refusal::NoPort,
            StartError::Resources => Refusal::ResourcesUnfit,
            StartError::Api(_) => Refusal::SocketUnusable,
            StartError::ApiNotLoopback { .. } => Refusal::ApiNotLoopback,
            StartError::TcpApi(_) => Refusal::ApiUnusable,
            StartError::Tokens(error) => return error.into(),
            StartError::Partners(_) => Refusal::PartnerStoreUnusable,
        };
        said(refusal, error)
    }
}

impl From<&HomeError> for ErrorBody {
    fn from(error: &HomeError) -> Self {
        let refusal = match error {
            HomeError::Open { path, .. } => {
                return said(Refusal::HomeOpen, error).mended_by(close(path));
            }
            HomeError::BadKey { path } => {
                let path = path.display();
                return said(Refusal::KeyDamaged, error)
                    .mended_by(format!("restore {path} from a copy; nothing can draw it again"));
            }
            HomeError::PathTooLong { .. } => Refusal::HomePathTooLong,
            HomeError::NoFolder { .. } => {
                return said(Refusal::HomeUnusable, error)
                    .mended_by("name a directory, or one that is to be made: --home DIR");
            }
            HomeError::Io { .. } => Refusal::HomeUnusable,
            HomeError::Random(_) => Refusal::NoRandom,
        };
        said(refusal, error)
    }
}

impl From<&TokensError> for ErrorBody {
    fn from(error: &TokensError) -> Self {
        match error {
            TokensError::Open { path, .. } => {
                said(Refusal::TokensOpen, error).mended_by(close(path))
            }
            TokensError::Line { .. } | TokensError::Many { .. } => {
                said(Refusal::TokensUnusable, error)
            }
            TokensError::Home(error) => error.into(),
        }
    }
}

impl From<&FoundError> for ErrorBody {
    fn from(error: &FoundError) -> Self {
        match error {
            FoundError::Start(error) => error.into(),
            FoundError::Belongs { .. } => said(Refusal::BelongsAlready, error),
        }
    }
}

/// What keeps others from reading a file of secrets or the folder around it.
fn close(path: &Path) -> String {
    format!("chmod go-rwx {}, and look who had access", path.display())
}

fn said(refusal: Refusal, error: impl std::fmt::Display) -> ErrorBody {
    ErrorBody::from(refusal).saying(error)
}

fn journal(error: &OpenError) -> ErrorBody {
    let refusal = match error {
        OpenError::Locked { .. } => Refusal::Running,
        OpenError::UnsupportedVersion { .. } => Refusal::JournalForeign,
        OpenError::NotAJournal { .. } => Refusal::JournalDamaged,
        OpenError::Io { .. } => Refusal::JournalUnusable,
    };
    said(refusal, error)
}

fn data(error: &DataError) -> ErrorBody {
    let refusal = match error {
        DataError::UnsupportedVersion { .. } => Refusal::JournalForeign,
        DataError::OtherPlant { path, .. } | DataError::Misplaced { path } => {
            return said(Refusal::DataUnusable, error).mended_by(format!(
                "move {} out of the home; what is missing comes again from other members",
                path.display()
            ));
        }
        DataError::Io { .. } => Refusal::DataUnusable,
    };
    said(refusal, error)
}

fn plane(error: &PlaneError) -> ErrorBody {
    match error {
        PlaneError::Key(_) => said(Refusal::KeyUnusable, error),
        PlaneError::Listen { address, .. } => {
            let address =
                socket_of(address).map_or_else(|| address.to_string(), |socket| socket.to_string());
            said(Refusal::CannotListen, format!("this machine cannot listen on {address}"))
        }
        PlaneError::Mdns(cause) => {
            said(Refusal::NoMulticast, format!("nodes cannot be discovered by multicast: {cause}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;
    use crate::shell::journal::AppendError;

    fn home() -> PathBuf {
        PathBuf::from("/h")
    }

    #[test]
    fn whatever_keeps_a_node_from_starting_has_a_code_of_its_own_and_names_its_mend_once() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let io = HomeError::Io { step: "create", path: home(), source: denied() };
        let open = HomeError::Open { path: PathBuf::from("/h/node.key"), mode: 0o644 };
        let bad_key = HomeError::BadKey { path: PathBuf::from("/h/node.key") };
        let long = HomeError::PathTooLong { path: home(), bytes: 200, max: 107 };
        let random = HomeError::Random(getrandom::Error::UNSUPPORTED);
        let journal = OpenError::Io { path: home(), step: "open", source: denied() };
        let foreign = OpenError::UnsupportedVersion { path: home(), found: 9, supported: 1 };
        let address = "/ip4/192.0.2.1/tcp/7430".parse().expect("an address");
        let listen = PlaneError::Listen { address, cause: "Other(Custom)".to_owned() };
        let cases = [
            (StartError::from(io), 204, "--home DIR"),
            (HomeError::NoFolder { path: home() }.into(), 204, "--home DIR"),
            (open.into(), 200, "chmod go-rwx /h/node.key"),
            (bad_key.into(), 203, "restore /h/node.key from a copy"),
            (long.into(), 205, "--home DIR"),
            (random.into(), 214, "try again"),
            (StartError::Running { home: home() }, 201, "gearmesh --home /h status"),
            (StartError::KeyMissing { home: home() }, 202, "restore node.key"),
            (StartError::KeyForeign { home: home() }, 218, "from the same copy"),
            (StartError::Journal(journal), 212, "owner of the home"),
            (StartError::Journal(foreign), 210, "release"),
            (StartError::Journal(OpenError::NotAJournal { path: home() }), 211, "copy"),
            (StartError::Append(AppendError::Closed), 213, "free some space"),
            (StartError::Resources, 307, "--resource"),
            (StartError::Plane(PlaneError::Key("short".to_owned())), 216, "node.key"),
            (StartError::Plane(listen), 208, "--listen IP:PORT"),
            (StartError::Plane(PlaneError::Mdns(denied())), 209, "--no-mdns"),
            (StartError::PortInUse { address: "127.0.0.1:1".to_owned() }, 206, "--listen IP:PORT"),
            (StartError::NoPort, 207, "--listen IP:PORT"),
        ];
        for (error, code, mend) in cases {
            let body = ErrorBody::from(&error);
            assert_eq!(body.code.code(), code, "{error}");
            assert!(body.mend.contains(mend), "{body}: {}", body.mend);
            assert!(!body.error.contains(mend), "said twice: {body}");
            assert!(!body.error.contains("Custom") && !body.error.contains("/tcp/"), "{body}");
        }
    }
}
