//! Is a record about the network what strace shows of the message?
//!
//! strace takes a message apart when its socket is in the network namespace that strace is in too. Of
//! other sockets it shows the header and then bytes, which are taken apart here. Both become one list of
//! names and values, and so does the record; the lists must be equal, with nothing left over.

use std::net::IpAddr;

use trace::{Arg, Outcome, Record};

/// Names of the kernel's headers, with their values.
type Fields = Vec<(String, String)>;

/// Whether this is about a message, or an answer to one.
pub(super) fn is_message(fields: &[(String, Arg)]) -> bool {
    matches!(fields.first(), Some((name, _)) if name == "nlmsg_type")
}

/// What the kernel must have been sent, and must have answered, for one record: to the look-ups of the
/// devices that it names, and to the message itself.
pub(super) fn exchange(record: &Record) -> Vec<(&'static str, Arg)> {
    let mut all = Vec::new();
    let (fields, flags) = match record.args.as_slice() {
        [Arg::Fields(fields)] => (fields.clone(), None),
        [Arg::Fields(fields), flags] => (fields.clone(), Some(flags.clone())),
        _ => (Vec::new(), None),
    };
    for (name, index) in devices(&fields) {
        all.push(("sendto", message("RTM_GETLINK", vec![("IFLA_IFNAME".into(), Arg::Text(name))])));
        if index == 0 {
            all.push(("recvfrom", answer(&record.outcome)));
            return all;
        }
        let index = Arg::Number(i64::try_from(index).unwrap_or(i64::MAX));
        all.push(("recvfrom", message("RTM_NEWLINK", vec![("ifi_index".into(), index)])));
    }
    let flags = flags.map(|flags| ("nlmsg_flags".to_string(), flags));
    let fields = flags.into_iter().chain(fields).collect();
    all.push(("sendto", message(&record.call, fields)));
    all.push(("recvfrom", answer(&record.outcome)));
    all
}

fn devices(fields: &[(String, Arg)]) -> Vec<(String, u64)> {
    let device = |(_, value): &(String, Arg)| match value {
        Arg::Object { kind, inode } => Some((kind.clone(), *inode)),
        _ => None,
    };
    fields.iter().filter_map(device).collect()
}

fn message(kind: &str, fields: Vec<(String, Arg)>) -> Arg {
    let kind = ("nlmsg_type".to_string(), Arg::Word(kind.to_string()));
    Arg::Fields([kind].into_iter().chain(fields).collect())
}

fn answer(outcome: &Outcome) -> Arg {
    let error = outcome.errno().map_or("0".to_string(), |errno| format!("-{errno}"));
    message("NLMSG_ERROR", vec![("error".to_string(), Arg::Word(error))])
}

/// Whether strace shows this message.
pub(super) fn same(claimed: &[(String, Arg)], seen: &str) -> bool {
    let Some((header, rest)) = seen.strip_prefix("[{").and_then(|text| text.split_once("}, "))
    else {
        return false;
    };
    let (Some(kind), Some((_, claimed_kind))) = (kind_of(header), claimed.first()) else {
        return false;
    };
    if claimed_kind.to_string() != kind {
        return false;
    }
    let claimed = flat(&claimed[1..]);
    let seen = match kind {
        "NLMSG_ERROR" => within(rest, "error=").map(|error| vec![("error".into(), error)]),
        // A question, and an answer that tells more than was asked for.
        "RTM_GETLINK" | "RTM_NEWLINK" if claimed.len() == 1 && claimed[0].0 == "ifi_index" => {
            body(kind, rest).map(|fields| fields.into_iter().take(1).collect())
        }
        kind => body(kind, rest).map(|fields| [flags_of(header), fields].concat()),
    };
    seen.is_some_and(|seen| agree(&claimed, &seen))
}

/// Whether a message changes something, so that it needs a record.
pub(super) fn changes(seen: &str) -> bool {
    let Some((_, header)) = seen.split_once("nlmsg_type=") else {
        return false;
    };
    !kind_of(&format!("nlmsg_type={header}")).is_some_and(|kind| kind.starts_with("RTM_GET"))
}

const KINDS: [(u32, &str); 14] = [
    (2, "NLMSG_ERROR"),
    (3, "NLMSG_DONE"),
    (16, "RTM_NEWLINK"),
    (17, "RTM_DELLINK"),
    (18, "RTM_GETLINK"),
    (19, "RTM_SETLINK"),
    (20, "RTM_NEWADDR"),
    (21, "RTM_DELADDR"),
    (22, "RTM_GETADDR"),
    (24, "RTM_NEWROUTE"),
    (25, "RTM_DELROUTE"),
    (26, "RTM_GETROUTE"),
    (28, "RTM_NEWNEIGH"),
    (30, "RTM_GETNEIGH"),
];

fn kind_of(header: &str) -> Option<&'static str> {
    let kind = within(header, "nlmsg_type=")?;
    let kind = kind.split(' ').next().unwrap_or_default();
    let known = |(number, name): &&(u32, &str)| *name == kind || number_of(kind) == Some(*number);
    KINDS.iter().find(known).map(|(_, name)| *name)
}

/// What is special about the flags of a message; every one is a request that wants an answer.
fn flags_of(header: &str) -> Fields {
    let Some(text) = within(header, "nlmsg_flags=") else {
        return Vec::new();
    };
    let bits = text.split('|').fold(0, |all, flag| {
        all | match flag {
            "NLM_F_REQUEST" => 1,
            "NLM_F_ACK" => 4,
            "NLM_F_EXCL" => 0x200,
            "NLM_F_CREATE" => 0x400,
            other => number_of(other).unwrap_or(u32::MAX),
        }
    });
    match bits & !5 {
        0 => Vec::new(),
        0x600 => vec![("nlmsg_flags".into(), "NLM_F_CREATE|NLM_F_EXCL".into())],
        other => vec![("nlmsg_flags".into(), other.to_string())],
    }
}

/// The value behind `name=`.
fn within(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    Some(rest[..end].to_string())
}

fn number_of(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What follows the header: taken apart by strace, or as bytes.
fn body(kind: &str, seen: &str) -> Option<Fields> {
    if let Some(bytes) = hex(seen) {
        return taken_apart(kind, &bytes);
    }
    let (header, attributes) = seen.strip_prefix('{')?.split_once('}')?;
    let mut fields: Fields = header
        .split(", ")
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    for attribute in attributes.split("nla_type=").skip(1) {
        let (name, value) = attribute.split_once("}, ")?;
        match (name, hex(value)) {
            // Only the one attribute of a wire: its other end.
            ("IFLA_INFO_DATA", Some(bytes)) => fields.extend(link(bytes.get(4..)?)?),
            _ if value.starts_with('[') => {}
            _ => {
                let value = value.split(']').next().unwrap_or(value).trim_end_matches("...");
                fields.push((name.to_string(), value.to_string()));
            }
        }
    }
    Some(said(fields))
}

/// Without what says nothing: zeros, and the family that addresses show by themselves.
fn said(fields: Fields) -> Fields {
    let silent = |(name, value): &(String, String)| {
        let nothing = ["0", "RT_SCOPE_UNIVERSE"].contains(&value.as_str());
        nothing || name.ends_with("_family") || name == "ifi_type"
    };
    fields.into_iter().filter(|field| !silent(field)).collect()
}

/// `"\x00\x1f"`.
fn hex(seen: &str) -> Option<Vec<u8>> {
    let inside = seen.strip_prefix("\"\\x")?.split('"').next()?;
    inside.split("\\x").map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

fn taken_apart(kind: &str, bytes: &[u8]) -> Option<Fields> {
    match kind.strip_prefix("RTM_")?.get(3..)? {
        "LINK" => link(bytes),
        "ADDR" => {
            let names = ["ifa_family", "ifa_prefixlen", "ifa_flags", "ifa_scope"];
            let mut fields = in_bytes(&names, bytes);
            fields.push(("ifa_index".into(), number(bytes.get(4..8)?)?));
            let names = [(1, "IFA_ADDRESS"), (2, "IFA_LOCAL"), (4, "IFA_BROADCAST")];
            fields.extend(attributes(&names, bytes.get(8..)?)?);
            Some(said(fields))
        }
        "ROUTE" => {
            let names = [
                "rtm_family",
                "rtm_dst_len",
                "rtm_src_len",
                "rtm_tos",
                "rtm_table",
                "rtm_protocol",
                "rtm_scope",
                "rtm_type",
            ];
            let mut fields = in_bytes(&names, bytes);
            let names = [
                (1, "RTA_DST"),
                (4, "RTA_OIF"),
                (5, "RTA_GATEWAY"),
                (6, "RTA_PRIORITY"),
                (7, "RTA_PREFSRC"),
            ];
            fields.extend(attributes(&names, bytes.get(12..)?)?);
            Some(said(fields))
        }
        _ => None,
    }
}

fn in_bytes(names: &[&str], bytes: &[u8]) -> Fields {
    names.iter().zip(bytes).map(|(name, byte)| (name.to_string(), byte.to_string())).collect()
}

fn link(bytes: &[u8]) -> Option<Fields> {
    let names = ["ifi_index", "ifi_flags", "ifi_change"];
    let numbers = bytes.get(4..16)?.chunks(4).map(|chunk| number(chunk).unwrap_or_default());
    let mut fields: Fields = names.iter().map(|name| name.to_string()).zip(numbers).collect();
    let names = [
        (3, "IFLA_IFNAME"),
        (10, "IFLA_MASTER"),
        (18, "IFLA_LINKINFO"),
        (19, "IFLA_NET_NS_PID"),
        (28, "IFLA_NET_NS_FD"),
    ];
    fields.extend(attributes(&names, bytes.get(16..)?)?);
    Some(said(fields))
}

fn attributes(names: &[(u16, &str)], mut bytes: &[u8]) -> Option<Fields> {
    let mut fields = Vec::new();
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let kind = u16::from_ne_bytes([c, d]) & 0x3fff;
        let value = bytes.get(4..length)?;
        let known = names.iter().find(|(number, _)| *number == kind);
        let name = known.map_or(format!("attribute {kind}"), |(_, name)| name.to_string());
        match name.as_str() {
            "IFLA_LINKINFO" => {
                let inner = [(1, "IFLA_INFO_KIND"), (2, "IFLA_INFO_DATA")];
                fields.extend(attributes(&inner, value)?);
            }
            "IFLA_INFO_DATA" => fields.extend(link(value.get(4..)?)?),
            "IFLA_IFNAME" | "IFLA_INFO_KIND" => {
                let text = value.strip_suffix(&[0]).unwrap_or(value);
                fields.push((name, format!("\"{}\"", String::from_utf8_lossy(text))));
            }
            "IFA_ADDRESS" | "IFA_LOCAL" | "IFA_BROADCAST" | "RTA_DST" | "RTA_GATEWAY"
            | "RTA_PREFSRC" => fields.push((name, address(value)?)),
            _ => fields.push((name, number(value).unwrap_or_default())),
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(fields)
}

fn number(bytes: &[u8]) -> Option<String> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?).to_string())
}

fn address(bytes: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    ip.ok().map(|ip| ip.to_string())
}

/// A record's fields, where the other end of a wire is among them.
fn flat(claimed: &[(String, Arg)]) -> Vec<(String, Arg)> {
    let inner = |(name, value): &(String, Arg)| match value {
        Arg::Fields(fields) => flat(fields),
        _ if value.to_string() == "0" && name != "error" => Vec::new(),
        _ => vec![(name.clone(), value.clone())],
    };
    claimed.iter().flat_map(inner).collect()
}

fn agree(claimed: &[(String, Arg)], seen: &Fields) -> bool {
    let pair = |(claimed, seen): (&(String, Arg), &(String, String))| {
        claimed.0 == seen.0 && same_value(&claimed.1, &seen.1)
    };
    claimed.len() == seen.len() && claimed.iter().zip(seen).all(pair)
}

fn same_value(claimed: &Arg, seen: &str) -> bool {
    let named = |name: &str| seen == format!("if_nametoindex(\"{name}\")");
    match claimed {
        Arg::Object { kind, inode } => seen == inode.to_string() || named(kind),
        // The name was looked up just before, so that the number is that of what was asked for.
        Arg::Number(number) => seen == number.to_string() || seen.starts_with("if_nametoindex("),
        Arg::Pid(number) | Arg::Fd(number) => seen == number.to_string(),
        Arg::Word(word) => {
            let address =
                [format!("inet_addr(\"{word}\")"), format!("inet_pton(AF_INET6, \"{word}\")")];
            let value = CONSTANTS.iter().find(|(name, _)| name == word).map(|(_, value)| *value);
            seen == word
                || address.iter().any(|address| address == seen)
                || value.is_some() && value == number_of(seen)
        }
        text => seen == text.to_string(),
    }
}

const CONSTANTS: [(&str, u32); 8] = [
    ("IFF_UP", 1),
    ("IFA_F_NODAD", 2),
    ("RT_TABLE_MAIN", 254),
    ("RTPROT_BOOT", 3),
    ("RTPROT_STATIC", 4),
    ("RT_SCOPE_LINK", 253),
    ("RT_SCOPE_HOST", 254),
    ("RTN_UNICAST", 1),
];

#[cfg(test)]
#[path = "netlink_tests.rs"]
mod tests;
