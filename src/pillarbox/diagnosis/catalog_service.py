"""The checks of the service on this machine: id, severity, cause, fix. Values only."""

from pillarbox.diagnosis.finding import Check, fail, info, warn

SERVICE_CHECKS: tuple[Check, ...] = (
    fail(
        "SELF-NOT-RUNNING",
        "the service does not answer: {why}",
        "start it: pillarbox serve; if it runs, see whether metrics.port is its own",
    ),
    fail("SELF-NOT-READY", "the service takes no mail: {why}", "see its log; it heals by itself"),
    fail(
        "SELF-LISTENER-DOWN",
        "the listener at port {port} opens no session under TLS",
        "see the stages above and the log; another program may have the port",
    ),
    fail(
        "SELF-DISK-FULL",
        "{free} MB are free, less than the reserve of {reserve} MB: new mail is refused",
        "make room on the disk of the data directory",
    ),
    warn(
        "SELF-DISK-LOW",
        "{free} MB are free, less than twice the reserve of {reserve} MB",
        "make room on the disk of the data directory",
    ),
    fail(
        "SELF-SYNC-FAILED",
        "what is written to the data directory does not reach the disk: {why}",
        "look at the disk (dmesg); no mail can be accepted safely",
    ),
    warn(
        "SELF-SYNC-SLOW",
        "a write took {milliseconds} ms to reach the disk; each message waits for one",
        "use a faster disk, or find out what else writes to it",
    ),
    fail(
        "SELF-DATABASE-DAMAGED",
        "the database says that it is damaged: {what}",
        "stop the service, keep a copy of the data directory, and restore the last backup",
    ),
    fail(
        "SELF-KEY-MISSING",
        "the master key {key} is missing, and secrets are sealed with it ({count}): what needs them"
        " (passwords of routes, keys that sign) does not work",
        "put it back behind the new one (pillarbox key show names all), or set the secrets again",
    ),
    warn(
        "SELF-QUEUE-OLD",
        "mail for {hop} has been waiting for {age}",
        "see why: pillarbox queue list --hop {hop_in_quotes}",
    ),
    warn(
        "SELF-HOP-SUSPENDED",
        "the next hop {hop} takes no mail now: {why}",
        "see cause and fix: pillarbox queue hops",
    ),
    warn(
        "SELF-SOURCE",
        "mail that comes from {address} will be refused, or can not be sent: {why}",
        "see what each source is set to: pillarbox source list",
    ),
    warn(
        "SELF-CLOCK-WRONG",
        "the clock of this machine is {seconds} s {side} that of {server}",
        "have NTP keep it: certificates, tokens and the dates of mail are judged by it",
    ),
    info(
        "SELF-CLOCK-NOT-KEPT",
        "no program keeps the clock of this machine right, says its kernel",
        "run chrony, systemd-timesyncd or the time service of the hypervisor",
    ),
    info(
        "SELF-CLOCK-NO-ANSWER",
        "the time server {server} does not answer",
        "take it out of self_check.time_servers, or let UDP port 123 out",
    ),
    warn(
        "SELF-ADDRESS-CHANGED",
        "mail now leaves from {address}; it was {earlier} at the last look",
        "name the new address in SPF records and have its PTR set, or find out why it changed",
    ),
)
