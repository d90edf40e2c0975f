// What was checked, printed line by line as a table, and as one line of JSON at the end.

/** What hangs is given up; a login with several programs in it takes a tenth of this. */
const WITHIN_MS = 240_000;

export class Table {
  #checks = 0;
  #failed = [];
  #again = [];

  /**
   * Runs one check, which throws when what it looks at is wrong, and prints its line. One with more `attempts`, for
   * programs of other people that fail by themselves now and then, is made again with the number of the attempt, and
   * says so: what is wrong here is wrong each time.
   */
  async check(part, name, run, { attempts = 1 } = {}) {
    this.#checks += 1;
    for (let attempt = 1; ; attempt += 1) {
      const error = await failure(() => run(attempt));
      const again = error !== undefined && attempt < attempts;
      this.#line(part, name, error === undefined ? "ok" : again ? "once more" : "FAILED");
      if (error === undefined) return;
      console.log(String(error.stack ?? error).replace(/^/gm, "    "));
      (again ? this.#again : this.#failed).push(`${part}: ${name}`);
      if (!again) return;
    }
  }

  /** Counts what went wrong outside any check. */
  broken(part, error) {
    this.#checks += 1;
    this.#failed.push(part);
    this.#line(part, "as a whole", "FAILED");
    console.log(String(error.stack ?? error).replace(/^/gm, "    "));
  }

  /** Prints the last line, and returns the exit status. */
  end() {
    const passed = this.#checks - this.#failed.length;
    console.log(JSON.stringify({ checks: this.#checks, passed, failed: this.#failed, again: this.#again }));
    return this.#failed.length === 0 && passed > 0 ? 0 : 1;
  }

  #line(part, name, how) {
    console.log([part.padEnd(16), name.padEnd(84), how].join(" | "));
  }
}

/** What `run` throws, or that it does not end. */
async function failure(run) {
  let late;
  const timeout = new Promise((_, reject) => {
    late = setTimeout(() => reject(new Error(`no end within ${WITHIN_MS} ms`)), WITHIN_MS);
  });
  try {
    await Promise.race([run(), timeout]);
  } catch (error) {
    return error ?? new Error("it threw nothing");
  } finally {
    clearTimeout(late);
  }
}
