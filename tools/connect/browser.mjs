#!/usr/bin/env node
// A browser with nobody in front of it: follows the redirects from the login page to the loopback address.
// `cardea login` starts it where BROWSER names it.
const answer = await fetch(process.argv[2]);
process.exit(answer.ok ? 0 : 1);
