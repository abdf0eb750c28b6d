<?php
// Sends one message with PHPMailer and prints what went wrong.
require '/usr/share/php/libphp-phpmailer/autoload.php';

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = (int) getenv('SMTP_PORT');
$mail->SMTPSecure = getenv('SMTP_TLS') === 'tls' ? 'ssl' : 'tls';
$mail->SMTPAuth = true;
$mail->Username = 'user@corp.com';
$mail->Password = getenv('SMTP_PASSWORD');
$mail->SMTPOptions = ['ssl' => ['cafile' => getenv('SMTP_CA_FILE')]];
$mail->SMTPDebug = 2;
$mail->Debugoutput = fn($text) => fwrite(STDERR, trim($text) . "\n");
$mail->Timeout = 3;
$mail->setFrom('user@corp.com');
$mail->addAddress('x@corp.com');
$mail->Subject = 't';
$mail->Body = 'hi';
try {
    $mail->send();
} catch (Exception $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}
