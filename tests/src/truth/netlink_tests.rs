//! Are messages read as strace shows them, and is a lie about one noticed?

use trace::{Arg, Event, Outcome, Record};

use super::{changes, message, same};
use crate::strace::parse;
use crate::truth::disagreements;

fn fields(kind: &str, fields: &[(&str, Arg)]) -> Vec<(String, Arg)> {
    let fields = fields.iter().map(|(name, value)| (name.to_string(), value.clone()));
    match message(kind, fields.collect()) {
        Arg::Fields(fields) => fields,
        _ => unreachable!("a message is a structure"),
    }
}

const BRIDGE: &str = r#"[{nlmsg_len=56, nlmsg_type=RTM_NEWLINK, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK|NLM_F_EXCL|NLM_F_CREATE, nlmsg_seq=0, nlmsg_pid=0}, {ifi_family=AF_UNSPEC, ifi_type=ARPHRD_NETROM, ifi_index=0, ifi_flags=0, ifi_change=0}, [[{nla_len=8, nla_type=IFLA_IFNAME}, "br0"], [{nla_len=16, nla_type=IFLA_LINKINFO}, [{nla_len=10, nla_type=IFLA_INFO_KIND}, "bridge"...]]]]"#;

const BRIDGE_BYTES: &str = r#"[{nlmsg_len=56, nlmsg_type=0x10 /* NLMSG_??? */, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK|0x600, nlmsg_seq=1, nlmsg_pid=0}, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x00\x03\x00\x62\x72\x30\x00\x10\x00\x12\x00\x0b\x00\x01\x00\x62\x72\x69\x64\x67\x65\x00\x00"]"#;

#[test]
fn a_message_is_read_in_words_and_in_bytes() {
    let bridge = |name: &str| {
        let flags = Arg::Word("NLM_F_CREATE|NLM_F_EXCL".into());
        fields(
            "RTM_NEWLINK",
            &[
                ("nlmsg_flags", flags),
                ("IFLA_IFNAME", Arg::Text(name.into())),
                ("IFLA_INFO_KIND", Arg::Text("bridge".into())),
            ],
        )
    };
    for seen in [BRIDGE, BRIDGE_BYTES] {
        assert!(changes(seen));
        assert!(same(&bridge("br0"), seen), "{seen}");
        assert!(!same(&bridge("br1"), seen), "{seen}");
        assert!(!same(&bridge("br0")[..3], seen), "nothing may be left over: {seen}");
    }
}

/// As iproute2 asks, with an attribute more, and as strace shows it where it knows the socket.
#[test]
fn addresses_and_routes_are_read_in_words() {
    let seen = r#"[{nlmsg_len=64, nlmsg_type=RTM_NEWADDR, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK, nlmsg_seq=1, nlmsg_pid=0}, {ifa_family=AF_INET6, ifa_prefixlen=64, ifa_flags=IFA_F_NODAD, ifa_scope=RT_SCOPE_UNIVERSE, ifa_index=if_nametoindex("br0")}, [[{nla_len=20, nla_type=IFA_LOCAL}, inet_pton(AF_INET6, "fd00::1")]]]"#;
    let word = |text: &str| Arg::Word(text.into());
    let link = |name: &str, inode| Arg::Object { kind: name.into(), inode };
    let address = |ip: &str| {
        let fields = [
            ("ifa_prefixlen", word("64")),
            ("ifa_flags", word("IFA_F_NODAD")),
            ("ifa_index", link("br0", 2)),
            ("IFA_LOCAL", word(ip)),
        ];
        self::fields("RTM_NEWADDR", &fields)
    };
    assert!(same(&address("fd00::1"), seen) && !same(&address("fd00::2"), seen));
    let seen = r#"[{nlmsg_len=60, nlmsg_type=RTM_NEWROUTE, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK|NLM_F_EXCL|NLM_F_CREATE, nlmsg_seq=1, nlmsg_pid=0}, {rtm_family=AF_INET, rtm_dst_len=16, rtm_src_len=0, rtm_tos=0, rtm_table=RT_TABLE_MAIN, rtm_protocol=RTPROT_BOOT, rtm_scope=RT_SCOPE_LINK, rtm_type=RTN_UNICAST, rtm_flags=0}, [[{nla_len=8, nla_type=RTA_DST}, inet_addr("10.9.0.0")], [{nla_len=8, nla_type=RTA_OIF}, if_nametoindex("br0")]]]"#;
    let route = |scope: &str| {
        let fields = [
            ("nlmsg_flags", word("NLM_F_CREATE|NLM_F_EXCL")),
            ("rtm_dst_len", word("16")),
            ("rtm_table", word("RT_TABLE_MAIN")),
            ("rtm_protocol", word("RTPROT_BOOT")),
            ("rtm_scope", word(scope)),
            ("rtm_type", word("RTN_UNICAST")),
            ("RTA_DST", word("10.9.0.0")),
            ("RTA_OIF", link("br0", 2)),
        ];
        self::fields("RTM_NEWROUTE", &fields)
    };
    assert!(same(&route("RT_SCOPE_LINK"), seen) && !same(&route("RT_SCOPE_HOST"), seen));
}

#[test]
fn an_answer_is_an_errno() {
    let seen = "[{nlmsg_len=36, nlmsg_type=NLMSG_ERROR, nlmsg_flags=NLM_F_CAPPED, nlmsg_seq=0, nlmsg_pid=9}, {error=-EEXIST, msg={nlmsg_len=56, nlmsg_type=0x10 /* NLMSG_??? */}}]";
    let error = |errno: &str| fields("NLMSG_ERROR", &[("error", Arg::Word(errno.into()))]);
    assert!(same(&error("-EEXIST"), seen));
    assert!(!same(&error("0"), seen) && !same(&error("-EPERM"), seen));
}

#[test]
fn a_question_changes_nothing() {
    assert!(!changes("[{nlmsg_len=32, nlmsg_type=RTM_GETLINK, nlmsg_flags=NLM_F_REQUEST}]"));
    assert!(!changes("[{nlmsg_len=32, nlmsg_type=0x1a /* NLMSG_??? */, nlmsg_flags=0}]"));
    assert!(!changes("\"hello\""));
}

/// A process that switches a device on, by strace.
const SWITCHED: &str = r#"12 execve("./x", ["./x"], 0x1) = 0
12 sendto(3, [{nlmsg_len=40, nlmsg_type=0x13 /* NLMSG_??? */, nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK, nlmsg_seq=0, nlmsg_pid=0}, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07\x00\x03\x00\x6c\x6f\x00\x00"], 40, 0, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 40
12 recvfrom(3, NULL, 0, MSG_PEEK|MSG_TRUNC, NULL, NULL) = 36
12 recvfrom(3, [{nlmsg_len=36, nlmsg_type=NLMSG_ERROR, nlmsg_flags=NLM_F_CAPPED, nlmsg_seq=0, nlmsg_pid=12}, {error=0, msg={nlmsg_len=40}}], 36, 0, NULL, NULL) = 36
"#;

fn switched(name: &str, outcome: Outcome) -> Event {
    let up = || Arg::Word("IFF_UP".into());
    let name = Arg::Text(name.into());
    let fields = [("ifi_flags", up()), ("ifi_change", up()), ("IFLA_IFNAME", name)];
    let fields = fields.map(|(name, value)| (name.to_string(), value)).to_vec();
    Event::Request(Record {
        seq: 1,
        role: "parent".into(),
        pid: 12,
        host_pid: 12,
        step: Vec::new(),
        call: "RTM_SETLINK".into(),
        primitive: "link_set_up".into(),
        args: vec![Arg::Fields(fields)],
        outcome,
        micros: 0,
        why: "see".into(),
        source: "x".into(),
        cleans_up: false,
    })
}

#[test]
fn lies_about_the_network_are_caught() {
    let done = || Outcome::Result(Arg::Number(0));
    let seen = parse(SWITCHED);
    assert_eq!(disagreements(&[switched("lo", done())], &seen), Vec::<String>::new());
    let caught = |events: &[Event], says: &str| {
        let wrong = disagreements(events, &seen);
        assert!(wrong.iter().any(|line| line.contains(says)), "not caught: {wrong:?}");
    };
    caught(&[], "no record of sendto(");
    caught(&[switched("eth0", done())], "the kernel saw sendto(");
    caught(&[switched("lo", Outcome::Errno("EPERM".into()))], "no such call");
}
