import smtplib
import ssl
from email.message import EmailMessage

letter = EmailMessage()
letter["From"] = "alice@norte.example"
letter["To"] = "luis@sur.example"
letter["Subject"] = "By a program"
letter.set_content("Hello Luis.")
letter.add_attachment(b"1,2,3\n", maintype="text", subtype="csv",
                      filename="numbers.csv")
trusted = ssl.create_default_context(cafile="/lab/public/ca.pem")
with smtplib.SMTP("smtp.norte.example", 587) as server:
    server.starttls(context=trusted)
    server.login("alice@norte.example", "wonderland")
    print("refused:", server.send_message(letter))
