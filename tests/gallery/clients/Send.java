// Sends one message with Jakarta Mail and prints what went wrong. Settings come from the environment.
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.util.Properties;

public class Send {
    public static void main(String[] args) {
        Properties p = new Properties();
        boolean tls = "tls".equals(System.getenv("SMTP_TLS"));
        p.put("mail.smtp.host", "localhost");
        p.put("mail.smtp.port", System.getenv("SMTP_PORT"));
        p.put("mail.smtp.auth", "true");
        p.put("mail.smtp.ssl.enable", String.valueOf(tls));
        p.put("mail.smtp.starttls.enable", String.valueOf(!tls));
        p.put("mail.smtp.starttls.required", String.valueOf(!tls));
        p.put("mail.smtp.ssl.checkserveridentity", "true");
        p.put("mail.smtp.connectiontimeout", "3000");
        p.put("mail.smtp.timeout", "3000");
        Session s = Session.getInstance(p, new Authenticator() {
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication("user@corp.com", System.getenv("SMTP_PASSWORD"));
            }
        });
        try {
            MimeMessage m = new MimeMessage(s);
            m.setFrom("user@corp.com");
            m.addRecipients(Message.RecipientType.TO, "x@corp.com");
            m.setText("hi");
            Transport.send(m);
        } catch (Exception e) {
            for (Throwable t = e; t != null; t = t.getCause()) {
                System.err.println((t == e ? "" : "Caused by: ") + t);
            }
            System.exit(1);
        }
    }
}
