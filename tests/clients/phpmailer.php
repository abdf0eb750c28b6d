<?php
// Composes a message with PHPMailer and sends it. The settings come from the environment; what was
// composed is written to SENT_FILE.
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->Host = getenv('SMTP_HOST');
$mail->Port = (int) getenv('SMTP_PORT');
$mail->SMTPSecure = getenv('SMTP_TLS') === 'tls'
    ? PHPMailer::ENCRYPTION_SMTPS : PHPMailer::ENCRYPTION_STARTTLS;
$mail->SMTPAuth = true;
$mail->Username = getenv('SMTP_USER');
$mail->Password = getenv('SMTP_PASSWORD');
$mail->SMTPOptions = ['ssl' => ['cafile' => getenv('SMTP_CA_FILE')]];
$mail->CharSet = 'utf-8';
$mail->setFrom(getenv('LETTER_FROM'), 'The App');
$mail->addAddress(getenv('LETTER_TO'));
$mail->addCustomHeader('X-Marker', getenv('LETTER_MARKER'));
$mail->Subject = 'Grüße from PHP';
$mail->Body = file_get_contents(getenv('LETTER_TEXT_FILE'));
$mail->addStringAttachment(implode('', array_map('chr', range(0, 255))), 'Übersicht.bin');
$mail->send();
file_put_contents(getenv('SENT_FILE'), $mail->getSentMIMEMessage());
