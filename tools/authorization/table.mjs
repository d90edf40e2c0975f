// What was checked, printed line by line as a table, and as one line of JSON at the end.

/** What hangs is given up; a login with several programs in it takes a tenth of this. */
const WITHIN_MS = 240_000;

export class Table {
  #checks = 0;
  #failed = [];

  /** Runs one check, which throws when what it looks at is wrong, and prints its line. */
  async check(part, name, run) {
    this.#checks += 1;
    let late;
    const timeout = new Promise((_, reject) => {
      late = setTimeout(() => reject(new Error(`no end within ${WITHIN_MS} ms`)), WITHIN_MS);
    });
    try {
      await Promise.race([run(), timeout]);
      this.#line(part, name, "ok");
    } catch (error) {
      this.#failed.push(`${part}: ${name}`);
      this.#line(part, name, "FAILED");
      console.log(String(error.stack ?? error).replace(/^/gm, "    "));
    } finally {
      clearTimeout(late);
    }
  }

  /** Prints the last line, and returns the exit status. */
  end() {
    const passed = this.#checks - this.#failed.length;
    console.log(JSON.stringify({ checks: this.#checks, passed, failed: this.#failed }));
    return this.#failed.length === 0 && passed > 0 ? 0 : 1;
  }

  #line(part, name, how) {
    console.log([part.padEnd(16), name.padEnd(84), how].join(" | "));
  }
}
