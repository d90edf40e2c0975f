// Every page that people see, by axe-core, in light and in dark, and on the width of a small telephone.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Scene } from "./pages.mjs";
import { ACCOUNT } from "./person.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** WCAG 2.2, success criterion 1.4.10. */
const NARROW = { width: 320, height: 568 };
const USUAL = { width: 1280, height: 720 };

export default async function accessibility(table, world) {
  const scene = await Scene.open(world);
  const { person, stand } = scene;
  const check = (name, go) =>
    table.check("accessibility", name, async () => {
      await go();
      await audit(person.page);
    });
  const open = (url) => person.page.goto(url);
  try {
    await check("the page of a one-time link", () => open(stand.links[0]));
    await check("the same with a mistake", async () => {
      // What the browser itself would refuse first.
      await person.page.locator("input[name=password]").evaluate((input) => input.removeAttribute("minlength"));
      for (const [name, value] of [["subject", "ada"], ["password", "short"], ["again", "short"]]) {
        await person.page.locator(`input[name=${name}]`).fill(value);
      }
      await person.page.getByRole("button").click();
      await person.page.getByRole("alert").waitFor();
    });
    await check("what is said when a password is set", () => person.setUp(stand.links[0]));
    await check("the page of a link that was used", () => open(stand.links[0]));
    await check("the login page", () => open(scene.request().url));
    await check("the same after a wrong password", () => person.logIn({ name: "ada", password: "wrong horse" }));
    await check("the consent page of a configured client", async () => {
      await person.logIn(ACCOUNT);
      assert.equal(await person.asks(), "consent");
    });
    await check("the consent page of the command line, of which nobody knows who it is", () =>
      open(scene.request({ client_id: "cardea-cli" }).url),
    );
    await check("the page of a refusal", () => open(scene.request({ redirect_uri: "https://evil.example/" }).url));
    await check("the page on which a device's code is typed", () => open(`${stand.origin}/device`));
    await check("the same with a code of no device", () => person.type("BBBB-BBBB"));
  } finally {
    await scene.close();
  }
}

/** No finding of axe-core that is serious or critical, and nothing to scroll sideways for. */
async function audit(page) {
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Beside the page's own scripts, of which its policy allows none.
    const { violations } = await page.evaluate(`${AXE}; axe.run()`);
    for (const { id, impact, help, nodes } of violations) {
      if (["serious", "critical"].includes(impact)) {
        found.push(`${colorScheme}: ${id} (${impact}): ${help}: ${nodes.map((node) => node.html).join(" ")}`);
      }
    }
  }
  await page.setViewportSize(NARROW);
  const sideways = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  if (sideways > 0) found.push(`${sideways} px to scroll sideways at ${NARROW.width} px`);
  await page.setViewportSize(USUAL);
  assert.deepEqual(found, []);
}
