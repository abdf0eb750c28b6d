# Sends one message with Net::SMTP and prints what went wrong.
use strict;
use warnings;
use Net::SMTP;

my $tls = $ENV{SMTP_TLS} eq 'tls';
my %tls = (SSL_ca_file => $ENV{SMTP_CA_FILE}, SSL_verify_mode => 1);
my $smtp = Net::SMTP->new('localhost', Port => $ENV{SMTP_PORT}, Timeout => 3, SSL => $tls, %tls)
    or die "cannot connect: $@";
$tls or $smtp->starttls(%tls) or die 'starttls failed: ' . ($@ || $smtp->message);
$smtp->auth('user@corp.com', $ENV{SMTP_PASSWORD}) or die 'auth failed: ' . $smtp->code . ' ' . $smtp->message;
$smtp->mail('user@corp.com') or die 'mail failed: ' . $smtp->code . ' ' . $smtp->message;
$smtp->to('x@corp.com') or die 'rcpt failed: ' . $smtp->code . ' ' . $smtp->message;
$smtp->data("Subject: t\n\nhi\n") or die 'data failed: ' . $smtp->code . ' ' . $smtp->message;
