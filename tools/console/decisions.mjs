// What people do: decide with the keyboard, watch others decide, revoke, lock.
import assert from "node:assert/strict";

export async function decisions(check, browser, served) {
  const [ben, bea] = await Promise.all(["ben", "bea"].map((name) => browser.person(served, name)));
  const state = (person) => person.page.locator(".state").first();
  let address;
  await check("an approver finds what waits, and decides by keyboard alone", async () => {
    await ben.goto("/console");
    await ben.page.keyboard.press("Tab");
    assert.equal(await ben.page.evaluate("document.activeElement.textContent"), "Skip to the content");
    await ben.submit("#live ul a");
    address = new URL(ben.page.url()).pathname;
    await bea.goto(address);
    await ben.page.locator("#minutes").focus();
    await ben.page.keyboard.press("ControlOrMeta+a");
    await ben.page.keyboard.type("50");
    const left = ben.page.waitForURL(/done=approved/);
    await ben.page.keyboard.press("Enter");
    await left;
    assert.equal(await state(ben).textContent(), "approved");
  });
  await check("the page of another approver says so by itself, without being loaded again", async () => {
    await bea.page.waitForFunction(() => document.querySelector('.state').textContent === 'approved');
    assert.equal(await bea.page.locator("form[action$=approve]").count(), 0);
  });
  await check("a grant counts down, is revoked, and is gone", async () => {
    await ben.goto("/console/grants");
    const time = ben.page.locator("time[data-ends]").first();
    const before = await time.textContent();
    await ben.page.waitForFunction((text) => document.querySelector("time[data-ends]").textContent !== text, before);
    const rows = await ben.page.locator("tbody tr").count();
    await ben.page.locator("tbody summary").first().click();
    await ben.submit("tbody button.bad");
    assert.match(ben.page.url(), /done=revoked/);
    assert.equal(await ben.page.locator("tbody tr").count(), rows - 1);
  });
  await check("a fresh page does not take away what somebody is typing", async () => {
    const [request] = await waiting(ben);
    if (!request) return;
    await bea.goto(request);
    await bea.page.locator("#minutes").fill("7");
    await ben.goto(request);
    await ben.submit("form[action$=approve] button");
    await bea.page.locator("#changed").waitFor();
    assert.equal(await bea.page.locator("#minutes").inputValue(), "7");
  });
  await check("without scripts everything can be done, too", async () => {
    const still = await browser.started.newContext({ javaScriptEnabled: false, storageState: await ben.context.storageState() });
    const page = await still.newPage();
    await page.goto(`${served.origin}/console/grants`);
    await page.locator("tbody summary").first().click();
    await page.locator("tbody button.bad").first().click();
    await page.waitForURL(/done=revoked/);
    await still.close();
  });
  await check("no complaint of the browser while deciding", () => assert.deepEqual([...ben.complaints, ...bea.complaints], []));
  await ben.close();
  await bea.close();
}

/** The addresses of requests that wait for somebody. */
async function waiting(person) {
  await person.goto("/console/requests?view=decide&state=pending");
  const links = await person.page.locator("tbody a").all();
  return Promise.all(links.map((link) => link.getAttribute("href")));
}
