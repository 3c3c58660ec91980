import email
import email.policy
import imaplib
import ssl

trusted = ssl.create_default_context(cafile="/lab/public/ca.pem")
with imaplib.IMAP4_SSL("imap.sur.example", ssl_context=trusted) as box:
    box.login("luis@sur.example", "sesame")
    box.select("INBOX")
    answer, data = box.fetch("1", "(BODY.PEEK[])")
    letter = email.message_from_bytes(data[0][1], policy=email.policy.default)
    print(letter["From"], "|", letter["Subject"])
    for part in letter.walk():
        print(part.get_content_type(), part.get_filename())
