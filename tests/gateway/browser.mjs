// The pages in a browser, against a running gateway:
//
//   browser.mjs --base URL --strict URL --outbox FOLDER [--shots FOLDER] [--chromium FILE]
//
// `--strict` is a tenant of the same gateway with `require_mfa`. Walks every page, without JavaScript
// and with it, and ends at the first difference with a message and status 1. On every page: no
// violation of accessibility that axe-core finds, in light and in dark; nothing wider than 320
// pixels; no request to another origin; no breach of the page's own policy, and no error in the
// console. The packages lie in the current folder, wherever this file does.

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const packages = createRequire(path.join(process.cwd(), "x.js"));
const { chromium } = packages("playwright-core");
const AXE = fs.readFileSync(packages.resolve("axe-core/axe.min.js"), "utf8");

const { values: options } = parseArgs({
  options: {
    base: { type: "string" },
    strict: { type: "string" },
    outbox: { type: "string" },
    shots: { type: "string" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
  },
});

const PATIENCE = 90_000;
const PASSWORD = "correct horse battery";
const DESKTOP = { width: 1000, height: 800 };
const PHONE = { width: 320, height: 640 };

function expect(holds, text) {
  if (!holds) throw new Error(text);
}

function equal(found, expected, what) {
  expect(found === expected, `${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
}

// Mail

const read = new Map();

/** The codes mailed to this address, the oldest first. */
function codes(address) {
  if (!fs.existsSync(options.outbox)) return [];
  const files = fs.readdirSync(options.outbox).filter((it) => it.endsWith(".eml")).sort();
  const mails = files.map((it) => fs.readFileSync(path.join(options.outbox, it), "utf8"));
  const theirs = mails.filter((it) => it.split(/\r?\n/).includes(`To: ${address}`));
  return theirs.map((it) => /Your verification code is: ([0-9]+)/.exec(it)?.[1]).filter(Boolean);
}

/** The next code that comes to this address. */
async function mailed(address) {
  const known = read.get(address) ?? 0;
  const end = Date.now() + PATIENCE;
  while (codes(address).length <= known) {
    expect(Date.now() < end, `no code was mailed to ${address}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const all = codes(address);
  read.set(address, all.length);
  return all.at(-1);
}

/** A code of as many digits that is another one. */
function other(code) {
  return String((Number(code) + 1) % 10 ** code.length).padStart(code.length, "0");
}

// A browser window of somebody

class Window {
  static async open(browser, base, javaScriptEnabled) {
    const context = await browser.newContext({ javaScriptEnabled, viewport: DESKTOP });
    context.setDefaultTimeout(PATIENCE);
    const window = new Window();
    Object.assign(window, { context, base, script: javaScriptEnabled, wrong: [] });
    const origin = new URL(base).origin;
    context.on("request", (request) => {
      const url = request.url();
      if (new URL(url).origin !== origin) window.wrong.push(`a request left for ${url}`);
    });
    const page = await context.newPage();
    window.page = page;
    page.on("pageerror", (error) => window.wrong.push(`a script failed: ${error}`));
    page.on("console", (message) => {
      // That a form was refused with its status is no error of the page.
      const status = message.text().startsWith("Failed to load resource");
      if (message.type() === "error" && !status) window.wrong.push(message.text());
    });
    const session = await context.newCDPSession(page);
    session.on("Audits.issueAdded", ({ issue }) => {
      if (issue.code === "ContentSecurityPolicyIssue") window.wrong.push(JSON.stringify(issue.details));
    });
    await session.send("Audits.enable");
    return window;
  }

  url(path) {
    return this.base + path;
  }

  /** Where the window is, below the tenant's prefix. */
  place() {
    return new URL(this.page.url()).pathname.slice(new URL(this.base).pathname.replace(/\/$/, "").length);
  }

  async go(path) {
    const response = await this.page.goto(this.url(path), { waitUntil: "load" });
    this.status = response.status();
    this.headers = response.headers();
  }

  /** Do what sends a form, and wait for what comes of it. */
  async send(act) {
    const posted = this.page.waitForResponse((it) => it.request().method() === "POST");
    const loaded = this.page.waitForEvent("load");
    const [response] = await Promise.all([posted, loaded, act()]);
    this.status = response.status();
  }

  /** Fill the fields with these labels and press the button of this name. */
  async form(fields, button) {
    for (const [label, value] of Object.entries(fields)) {
      await this.page.getByLabel(label, { exact: true }).fill(value);
    }
    await this.send(() => this.page.getByRole("button", { name: button, exact: true }).click());
  }

  async follow(link) {
    const loaded = this.page.waitForEvent("load");
    await Promise.all([loaded, this.page.getByRole("link", { name: link, exact: true }).click()]);
  }

  /** Let the browser send what it would refuse to. */
  async trusting() {
    await this.page.evaluate(() => document.querySelectorAll("form").forEach((it) => (it.noValidate = true)));
  }

  /** What the page is made of. To be asked before it is looked at, which leaves traces. */
  source() {
    return this.page.locator("main").innerHTML();
  }

  async value(label) {
    return this.page.getByLabel(label, { exact: true }).inputValue();
  }

  /** The page has this path and heading, and nothing is wrong with it. */
  async is(path, heading, name) {
    const at = `${this.script ? "with" : "without"} JavaScript, ${name}`;
    equal(this.place(), path, `${at}: the path`);
    const headings = await this.page.locator("h1").allTextContents();
    equal(headings.join(" | "), heading, `${at}: the heading`);
    const title = await this.page.title();
    expect(/^(Error: )?[^:]+ – Portcullis$/.test(title), `${at}: the title ${JSON.stringify(title)}`);
    equal(await this.page.locator("script, [style], style").count(), 0, `${at}: scripts and styles inside`);
    const styled = await this.page.evaluate(() => getComputedStyle(document.querySelector("main")).borderRadius);
    expect(styled !== "0px", `${at}: the style is not applied`);
    for (const colorScheme of ["light", "dark"]) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await this.accessible(`${at}, ${colorScheme}`, colorScheme);
      await this.shot(`${name}-${colorScheme}`);
    }
    await this.page.emulateMedia({ colorScheme: "light" });
    await this.page.setViewportSize(PHONE);
    const wide = await this.page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide <= PHONE.width, `${at}: ${wide} pixels wide on a screen of ${PHONE.width}`);
    await this.shot(`${name}-phone`);
    await this.page.setViewportSize(DESKTOP);
    this.quiet(at);
  }

  async accessible(at, colorScheme) {
    const page = this.script ? this.page : await this.copy(colorScheme);
    // Evaluated by the debugger, which the page's policy does not keep from it.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => axe.run(document, { preload: false }));
    const told = violations.map((it) => `${it.id}: ${it.help}\n${it.nodes.map((node) => node.html).join("\n")}`);
    expect(told.length === 0, `${at}: not accessible\n${told.join("\n")}`);
  }

  /** The page, word for word, in a window where axe-core can run: it needs JavaScript. */
  async copy(colorScheme) {
    this.inspected ??= await (await this.context.browser().newContext({ viewport: DESKTOP })).newPage();
    const [url, body] = [this.page.url(), await this.page.content()];
    await this.inspected.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await this.inspected.route(url, (route) => route.fulfill({ contentType: "text/html", body }));
    await this.inspected.goto(url);
    await this.inspected.unroute(url);
    return this.inspected;
  }

  quiet(at) {
    expect(this.wrong.length === 0, `${at}: ${this.wrong.join("\n")}`);
  }

  async shot(name) {
    if (!options.shots || !this.script) return;
    await this.page.screenshot({ path: path.join(options.shots, `${name}.png`), fullPage: true });
  }

  /** What is told, as an error or not. */
  async tells(role, text) {
    const found = await this.page.getByRole(role).allTextContents();
    equal(found.map((it) => it.trim()).join(" | "), text, "what the page tells");
  }

  /** The form was refused with this status and text. */
  async refused(status, text) {
    equal(this.status, status, `the status of the refused form on ${this.place()}`);
    await this.tells("alert", text);
    expect((await this.page.title()).startsWith("Error: "), "the title says nothing of the error");
  }

  /** The field in error is named by its description, and is where one goes on. */
  async inError(label) {
    const field = this.page.getByLabel(label, { exact: true });
    equal(await field.getAttribute("aria-invalid"), "true", `${label}: aria-invalid`);
    const ids = (await field.getAttribute("aria-describedby")).split(" ");
    const texts = await Promise.all(ids.map((id) => this.page.locator(`#${id}`).textContent()));
    expect(texts.join("").trim() !== "", `${label}: its description is empty`);
    equal(await this.page.evaluate(() => document.activeElement?.id), await field.getAttribute("id"), "the focus");
    equal(await field.inputValue(), "", `${label}: a secret is shown again`);
  }

  async signIn(address, password = PASSWORD) {
    await this.go("/");
    await this.form({ "E-mail address": address, Password: password }, "Sign in");
  }
}

const WRONG = "The address or the password is wrong.";
const CODE = "Code from the mail";
const BAD_CODE = "This code is wrong, has run out, or was asked for in another browser.";

// The walks

async function policy(window) {
  await window.go("/");
  const policy = window.headers["content-security-policy"];
  for (const part of [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]) {
    expect(policy.split("; ").includes(part), `the policy lacks ${part}: ${policy}`);
  }
  expect(!policy.includes("unsafe"), policy);
  equal(window.headers["cache-control"], "no-store", "Cache-Control");
}

async function register(window, address) {
  await window.go("/");
  await window.is("/", "Sign in", "sign-in");
  await window.follow("Make an account");
  await window.is("/register", "Make an account", "register");

  await window.trusting();
  await window.form({ "E-mail address": address, Password: "short" }, "Make my account");
  await window.refused(422, "This password cannot be used: the password must have at least 8 characters.");
  await window.inError("Password");
  equal(await window.value("E-mail address"), address, "the address that was typed");
  await window.is("/register", "Make an account", "register-weak-password");

  await window.trusting();
  await window.form({ "E-mail address": "nobody", Password: PASSWORD }, "Make my account");
  await window.refused(400, "This is not an e-mail address.");

  await window.form({ "E-mail address": address, Password: PASSWORD }, "Make my account");
  equal(window.status, 303, "the answer to a registration");
  await window.is("/verify", "Confirm your address", "verify");
  const first = await mailed(address);
  await window.form({ [CODE]: other(first) }, "Confirm");
  await window.refused(401, BAD_CODE);
  await window.inError(CODE);
  await window.is("/verify", "Confirm your address", "verify-wrong-code");

  await window.form({}, "Mail me a new code");
  await window.tells("status", "A new code is on its way.");
  const second = await mailed(address);
  // As people copy it.
  await window.form({ [CODE]: `${second.slice(0, 3)} ${second.slice(3)}` }, "Confirm");
  await window.tells("status", "Your address is confirmed. You can sign in now.");
  equal(await window.value("E-mail address"), address, "the address on the way to signing in");
  await window.is("/", "Sign in", "sign-in-confirmed");
}

async function unconfirmed(window, address) {
  await window.go("/register");
  await window.form({ "E-mail address": address, Password: PASSWORD }, "Make my account");
  await mailed(address);
  await window.signIn(address);
  await window.refused(401, "This address is not confirmed yet.");
  await window.is("/sign-in", "Sign in", "sign-in-not-confirmed");
  await window.form({}, "Mail a code to confirm it");
  await window.is("/verify", "Confirm your address", "verify-later");
  await window.form({ [CODE]: await mailed(address) }, "Confirm");
  await window.tells("status", "Your address is confirmed. You can sign in now.");
}

async function signIn(window, stranger, address) {
  await window.signIn(address, "wrong password");
  await window.refused(401, WRONG);
  equal(await window.value("E-mail address"), address, "the address that was typed");
  equal(await window.value("Password"), "", "the password that was typed");
  const known = await window.source();
  await window.is("/sign-in", "Sign in", "sign-in-wrong-password");
  const nobody = `nobody-${address}`;
  await stranger.signIn(nobody, "wrong password");
  const unknown = (await stranger.source()).replaceAll(nobody, address);
  equal(unknown, known, "the answer for an address without an account");

  await window.go("/account");
  await window.is("/", "Sign in", "sign-in-first");
  await window.tells("status", "Sign in to go on.");
  await window.form({ "E-mail address": address, Password: PASSWORD }, "Sign in");
  equal(window.status, 303, "the answer to a sign-in");
  await window.is("/account", "Your account", "account");
  expect(await window.page.getByText(address, { exact: true }).isVisible(), "the address is not shown");
  await window.go("/");
  equal(window.place(), "/account", "where somebody goes who is signed in");
}

async function sessions(window, elsewhere, address) {
  const count = () => window.page.locator(".sessions li").count();
  await elsewhere.signIn(address);
  equal(elsewhere.place(), "/account", "after signing in elsewhere");
  await window.go("/account");
  equal(await count(), 2, "the sessions");
  await window.is("/account", "Your account", "account-two-sessions");
  await window.send(() => window.page.locator(".sessions form").getByRole("button").click());
  await window.tells("status", "The session is ended.");
  equal(await count(), 1, "the sessions after one was ended");
  await window.is("/account", "Your account", "account-session-ended");
  await elsewhere.go("/account");
  equal(elsewhere.place(), "/", "where somebody goes whose session was ended");
  await elsewhere.signIn(address);
  await window.go("/account");
  await window.form({}, "End all others");
  await window.tells("status", "All other sessions are ended.");
  equal(await count(), 1, "the sessions after all others were ended");
  await window.form({}, "Sign out");
  await window.tells("status", "You are signed out.");
  await window.is("/", "Sign in", "signed-out");
  await window.go("/account");
  equal(window.place(), "/", "where somebody goes who has signed out");
}

async function forgotten(window, stranger, address) {
  const password = "another horse battery";
  await window.go("/");
  await window.follow("Forgotten your password?");
  await window.is("/forgot", "Set a new password", "forgot");
  await window.form({ "E-mail address": address }, "Mail me a code");
  const known = await window.source();
  await window.is("/reset", "Choose a new password", "reset");
  const code = await mailed(address);

  const nobody = `nobody-${address}`;
  await stranger.go("/forgot");
  await stranger.form({ "E-mail address": nobody }, "Mail me a code");
  const unknown = (await stranger.source()).replaceAll(nobody, address);
  equal(unknown, known, "the page for an address without an account");
  // The code is bound to the browser that has asked for it.
  const stolen = { "E-mail address": address, [CODE]: code, "New password": password };
  await stranger.form(stolen, "Set the password");
  await stranger.refused(401, BAD_CODE);

  await window.form({ [CODE]: other(code), "New password": password }, "Set the password");
  await window.refused(401, BAD_CODE);
  await window.inError(CODE);
  await window.is("/reset", "Choose a new password", "reset-wrong-code");
  await window.trusting();
  await window.form({ [CODE]: code, "New password": "short" }, "Set the password");
  await window.refused(422, "This password cannot be used: the password must have at least 8 characters.");
  await window.inError("New password");
  await window.form({ [CODE]: code, "New password": password }, "Set the password");
  await window.tells("status", "Your new password is set. Sign in with it.");
  await window.is("/", "Sign in", "sign-in-new-password");
  await window.signIn(address);
  await window.refused(401, WRONG);
  await window.signIn(address, password);
  equal(window.place(), "/account", "after signing in with the new password");
  return password;
}

async function changeEmail(window, address, password) {
  const changed = `new-${address}`;
  await window.go("/account");
  await window.follow("Change the address");
  await window.is("/change-email", "Change your address", "change-email");
  const form = { "New e-mail address": changed, Password: "wrong password" };
  await window.form(form, "Mail a code");
  await window.refused(401, "The password is wrong.");
  await window.inError("Password");
  equal(await window.value("New e-mail address"), changed, "the new address that was typed");
  await window.is("/change-email", "Change your address", "change-email-wrong-password");
  await window.form({ ...form, Password: password }, "Mail a code");
  await window.is("/confirm-email", "Confirm your new address", "confirm-email");
  const code = await mailed(changed);
  await window.form({ [CODE]: other(code) }, "Change my address");
  await window.refused(401, BAD_CODE);
  await window.inError(CODE);
  await window.is("/confirm-email", "Confirm your new address", "confirm-email-wrong-code");
  await window.form({ [CODE]: code }, "Change my address");
  await window.tells("status", "Your address is changed. Sign in with the new one.");
  equal(await window.value("E-mail address"), changed, "the address to sign in with");
  await window.is("/", "Sign in", "email-changed");
  await window.signIn(changed, password);
  equal(window.place(), "/account", "after signing in with the new address");
  return changed;
}

async function remove(window, address, password) {
  await window.go("/account");
  await window.follow("Delete the account");
  await window.is("/delete", "Delete your account", "delete");
  await window.form({}, "Mail me the code");
  await window.is("/delete", "Delete your account", "delete-code");
  const code = await mailed(address);
  await window.form({ [CODE]: other(code), Password: password }, "Delete my account");
  await window.refused(401, BAD_CODE);
  await window.is("/delete", "Delete your account", "delete-wrong-code");
  await window.form({ [CODE]: code, Password: password }, "Delete my account");
  await window.tells("status", "Your account is deleted.");
  await window.is("/", "Sign in", "deleted");
  if (password) {
    await window.signIn(address, password);
    await window.refused(401, WRONG);
  }
}

async function withoutPassword(window, stranger, address) {
  await window.go("/register");
  await window.form({ "E-mail address": address }, "Go without a password");
  await window.is("/code", "Check your mail", "code");
  await window.form({ [CODE]: await mailed(address) }, "Sign in");
  equal(window.place(), "/account", "after signing in with the first code");
  await window.tells("status", "");
  expect(await window.page.getByText("confirmed", { exact: true }).isVisible(), "the address is not confirmed");
  await window.form({}, "Sign out");
  await window.follow("Sign in without a password");
  await window.is("/sign-in-by-mail", "Sign in by mail", "sign-in-by-mail");
  await window.form({ "E-mail address": address }, "Mail me a code");
  const code = await mailed(address);
  await stranger.go("/code");
  await stranger.is("/code", "Check your mail", "code-without-address");
  await stranger.form({ "E-mail address": address, [CODE]: other(code) }, "Sign in");
  await stranger.refused(401, BAD_CODE);
  await window.form({ [CODE]: code }, "Sign in");
  equal(window.place(), "/account", "after signing in by mail");
  await remove(window, address, "");
}

async function secondStep(window, stranger, address) {
  await window.go("/register");
  await window.form({ "E-mail address": address, Password: PASSWORD }, "Make my account");
  await window.form({ [CODE]: await mailed(address) }, "Confirm");
  await window.signIn(address);
  await window.is("/code", "Check your mail", "second-step");
  const code = await mailed(address);
  await stranger.go("/code");
  await stranger.form({ "E-mail address": address, [CODE]: code }, "Sign in");
  await stranger.refused(401, BAD_CODE);
  await window.form({ [CODE]: other(code) }, "Sign in");
  await window.refused(401, BAD_CODE);
  await window.inError(CODE);
  await window.is("/code", "Check your mail", "second-step-wrong-code");
  await window.form({ [CODE]: code }, "Sign in");
  await window.is("/account", "Your account", "account-second-step");
  expect(await window.page.getByText("with a code").isVisible(), "the second step is not shown");
}

async function returning(window, address) {
  const back = new URL(window.url("/forgot")).pathname;
  await window.go(`/?return_to=${encodeURIComponent(back)}`);
  // It is carried through pages and refusals.
  await window.follow("Sign in without a password");
  await window.follow("Sign in with a password");
  await window.form({ "E-mail address": address, Password: "wrong password" }, "Sign in");
  await window.refused(401, WRONG);
  await window.form({ "E-mail address": address, Password: PASSWORD }, "Sign in");
  equal(window.place(), "/forgot", "where somebody goes who came from there");
  equal(await window.value("E-mail address"), address, "the address of whoever is signed in");
  for (const evil of ["https://evil.example/", "//evil.example/", "/\\evil.example"]) {
    await window.go("/account");
    await window.form({}, "Sign out");
    await window.go(`/?return_to=${encodeURIComponent(evil)}`);
    equal(await window.page.locator("input[name=return_to]").count(), 0, `a field for ${evil}`);
    await window.form({ "E-mail address": address, Password: PASSWORD }, "Sign in");
    equal(window.place(), "/account", `where ${evil} leads`);
  }
}

async function nothing(window) {
  await window.go("/no-such-page");
  equal(window.status, 404, "the status of what is not there");
  await window.is("/no-such-page", "That did not work", "error");
}

async function walk(browser, script) {
  const mark = script ? "script" : "plain";
  const open = (base) => Window.open(browser, base, script);
  const window = await open(options.base);
  const other = await open(options.base);
  const address = `ann.${mark}@example.com`;
  await policy(window);
  await nothing(window);
  await register(window, address);
  await unconfirmed(window, `late.${mark}@example.com`);
  await signIn(window, other, address);
  await sessions(window, other, address);
  await returning(window, address);
  await window.go("/account");
  await window.form({}, "Sign out");
  const password = await forgotten(window, other, address);
  const changed = await changeEmail(window, address, password);
  await remove(window, changed, password);
  await withoutPassword(window, other, `bob.${mark}@example.com`);
  const strict = await open(options.strict);
  const stranger = await open(options.strict);
  await secondStep(strict, stranger, `eve.${mark}@example.com`);
  for (const it of [window, other, strict, stranger]) {
    it.quiet("in the end");
    await it.context.close();
  }
}

async function main() {
  for (const needed of ["base", "strict", "outbox"]) {
    expect(options[needed], `--${needed} is missing`);
    if (needed !== "outbox") options[needed] = options[needed].replace(/\/$/, "");
  }
  if (options.shots) fs.mkdirSync(options.shots, { recursive: true });
  const browser = await chromium.launch({
    executablePath: options.chromium,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  try {
    await Promise.all([walk(browser, false), walk(browser, true)]);
  } finally {
    await browser.close();
  }
}

// Whatever hangs, this ends.
setTimeout(() => {
  console.error("not finished within ten minutes");
  process.exit(1);
}, 600_000).unref();

main().catch((error) => {
  console.error(error.stack ?? String(error));
  process.exitCode = 1;
});
