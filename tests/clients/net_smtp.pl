# Sends LETTER_FILE with Net::SMTP. The settings come from the environment.
use strict;
use warnings;
use Net::SMTP;

my $implicit = $ENV{SMTP_TLS} eq 'tls';
my %tls = (SSL_ca_file => $ENV{SMTP_CA_FILE}, SSL_verify_mode => 1);

my $smtp = Net::SMTP->new($ENV{SMTP_HOST}, Port => $ENV{SMTP_PORT}, Timeout => 20,
    SSL => $implicit, %tls) or die "connect: $@";
$implicit or $smtp->starttls(%tls) or die 'STARTTLS: ' . $smtp->message;
$smtp->auth($ENV{SMTP_USER}, $ENV{SMTP_PASSWORD}) or die 'AUTH: ' . $smtp->message;
$smtp->mail($ENV{LETTER_FROM}) or die 'MAIL: ' . $smtp->message;
$smtp->to($ENV{LETTER_TO}) or die 'RCPT: ' . $smtp->message;

open my $letter, '<:raw', $ENV{LETTER_FILE} or die "$ENV{LETTER_FILE}: $!";
$smtp->data or die 'DATA: ' . $smtp->message;
$smtp->datasend($_) or die 'content: ' . $smtp->message while <$letter>;
$smtp->dataend or die 'end of data: ' . $smtp->message;
$smtp->quit or die 'QUIT: ' . $smtp->message;
