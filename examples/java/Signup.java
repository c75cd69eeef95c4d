// A test in plain Java (17 or newer): `mailhub dev`, then `java examples/java/Signup.java`.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

public class Signup {
    static final String API = env("MAILHUB_API", "http://127.0.0.1:8025/api/mailhub/v1/capture");

    public static void main(String[] arguments) throws Exception {
        send("app@example.test", "bob@example.test", "Subject: your code\r\n\r\n123456");
        String message = get("/wait?to=bob@example.test&subject=code&timeout=20");
        check(message.contains("\"codes\":[\"123456\"]"), message);
        String nobody = get("/messages?to=eve@example.test");
        check(nobody.contains("\"total\":0"), nobody);
        System.out.println("ok: the code came, and nothing else");
    }

    /** What the application does: any SMTP library will do. */
    static void send(String from, String to, String text) throws Exception {
        try (var socket = new Socket(env("SMTP_HOST", "127.0.0.1"), Integer.parseInt(env("SMTP_PORT", "1025")));
                var in = new BufferedReader(new InputStreamReader(socket.getInputStream()))) {
            for (String line : new String[] {null, "EHLO app", "MAIL FROM:<" + from + ">", "RCPT TO:<" + to + ">", "DATA", text + "\r\n.", "QUIT"}) {
                if (line != null) socket.getOutputStream().write((line + "\r\n").getBytes());
                String reply = in.readLine();
                while (reply.charAt(3) == '-') reply = in.readLine();
                check(reply.charAt(0) < '4', reply);
            }
        }
    }

    static String get(String path) throws Exception {
        return HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(API + path)).build(), BodyHandlers.ofString()).body();
    }

    static void check(boolean right, String said) {
        if (!right) throw new AssertionError(said);
    }

    static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }
}
