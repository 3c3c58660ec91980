"""The webmail of the demo network with a real browser: Chromium, headless, by way of its driver. What it saw is kept in build-check/webmail."""
import email
import email.policy
import os
import shutil

import pytest
from host_net import until
from lab import ROOT, USERS, address, inbox, send, subjects

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

pytestmark = [pytest.mark.parametrize("network", ["docker"], indirect=True, scope="session"),
              pytest.mark.skipif(not shutil.which("chromedriver"), reason="there is no chromium-driver")]
PICTURES = ROOT / "build-check/webmail"


class Browser:
    def __init__(self, url):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for word in ("--headless=new", "--window-size=1280,900", "--disable-gpu", "--disable-dev-shm-usage", "--lang=en"):
            options.add_argument(word)
        if os.geteuid() == 0:
            options.add_argument("--no-sandbox")  # its own needs an unprivileged user
        self.url = url
        self.driver = webdriver.Chrome(service=webdriver.chrome.service.Service(shutil.which("chromedriver")), options=options)

    def until(self, condition, what):
        """As until(), where elements may be covered or replaced by the page's own program meanwhile."""
        def met():
            try:
                return condition()
            except WebDriverException:
                return None
        return until(met, lambda: f"{what}\n{self.text()[:2000]}")

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        """The first element there that can be seen."""
        return self.until(lambda: next((e for e in self.all(selector) if e.is_displayed()), None), f"{selector} on the page")

    def click(self, selector, text=""):
        def clicked():
            for e in self.all(selector):
                if e.is_displayed() and text in e.text:
                    return e.click() is None
            return False
        self.until(clicked, f"a click on {selector} {text}")

    def says(self, words):
        self.until(lambda: words in self.text(), f"{words!r} on the page")

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))

    def login(self, domain):
        user, password = USERS[domain]
        self.driver.get(self.url)
        self.one("#rcmloginuser").send_keys(f"{user}@{domain}.example")
        self.one("#rcmloginpwd").send_keys(password)
        choice = Select(self.driver.find_element(By.CSS_SELECTOR, "#rcmloginhost"))
        assert [o.text for o in choice.options] == ["norte.example", "sur.example", "este.example"]
        choice.select_by_visible_text(f"{domain}.example")
        self.picture(f"{domain}-login")
        self.click("#rcmloginsubmit")
        self.one("#messagelist")

    def logout(self):
        def out():  # a click before the page's program is ready does nothing
            if not self.all("#rcmloginuser"):
                self.all("a.logout")[0].click()
            return self.all("#rcmloginuser")
        self.until(out, "the login page")

    def open_letter(self, subject):
        self.click("#messagelist tr.message td.subject a", subject)
        self.driver.switch_to.frame(self.one("#messagecontframe"))
        self.says(subject)

    def end(self):
        self.driver.quit()


@pytest.fixture
def browser(network):
    b = Browser(f"http://127.0.0.1:{network.web}/webmail")
    yield b
    b.picture("last")
    b.end()


def test_read_and_reply_with_an_attachment(network, browser, tmp_path):
    subject = f"to the webmail {os.getpid()}"
    send(network, "norte", ["sur"], subject, "Read me in a browser.")
    until(lambda: subject in subjects(network, "sur"), "the letter at sur")
    os.chmod(tmp_path, 0o755)
    attachment = tmp_path / "ñandú.txt"
    attachment.write_text("octets of the attachment\n" * 1000)

    browser.login("sur")
    browser.picture("sur-list")
    browser.open_letter(subject)
    browser.says("Read me in a browser.")
    browser.picture("sur-letter")
    browser.driver.switch_to.default_content()
    browser.click("a.reply")
    body = browser.one("#composebody")
    body.send_keys("Read, and here is a file.\n")
    browser.all("input[type=file][name='_attachments[]']")[0].send_keys(str(attachment))
    browser.until(lambda: [li for li in browser.all("#attachment-list li") if attachment.name in li.text and "uploading" not in li.get_attribute("class")],
                  "the file in the list of attachments")
    browser.picture("sur-reply")
    browser.click("button.send")
    browser.one("#messagelist")
    browser.logout()

    until(lambda: "Re: " + subject in subjects(network, "norte"), lambda: f"the reply at norte\n{network.logs()}")
    reply = next(m for m in (email.message_from_bytes(b, policy=email.policy.default) for b in inbox(network, "norte")) if m["Subject"] == "Re: " + subject)
    part, = reply.iter_attachments()
    assert part.get_filename() == attachment.name and part.get_content().replace("\r\n", "\n") == attachment.read_text()
    assert "Read, and here is a file." in reply.get_body().get_content() and reply["From"].addresses[0].addr_spec == address("sur")

    browser.login("norte")
    browser.open_letter("Re: " + subject)
    browser.says(attachment.name)
    browser.driver.switch_to.default_content()
    browser.picture("norte-letter")
    browser.logout()


def test_a_wrong_password(network, browser):
    browser.driver.get(browser.url)
    browser.one("#rcmloginuser").send_keys("carol@este.example")
    browser.one("#rcmloginpwd").send_keys("wrong")
    Select(browser.driver.find_element(By.CSS_SELECTOR, "#rcmloginhost")).select_by_visible_text("este.example")
    browser.click("#rcmloginsubmit")
    browser.says("Login failed")
    browser.picture("este-refused")
