// Compares Keygate's answers with Node's. Cases come on standard input, a line of JSON each, from
//   cargo run --release -p keygate-expression --example differential -- COUNT [SEED]
// The argument is how many there must be.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createContext, runInContext } from "node:vm";

const expected = Number(process.argv[2]);
const realm = createContext();
runInContext(readFileSync(new URL("expressions-realm.js", import.meta.url), "utf8"), realm);

const counts = { true: 0, false: 0, error: 0 };
let disagreements = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { expression, facts, answer } = JSON.parse(line);
  const verdict = realm.verdict(expression, JSON.stringify(facts));
  counts[answer] += 1;
  if (verdict !== answer) {
    disagreements += 1;
    console.error(`${expression}\n  over ${JSON.stringify(facts)}\n  Keygate: ${answer}; Node: ${verdict}`);
  }
}

const count = counts.true + counts.false + counts.error;
console.log(
  `expressions: ${count} cases (${counts.true} true, ${counts.false} false, ${counts.error} errors), ` +
    `${disagreements} disagreements`,
);
process.exit(disagreements === 0 && count === expected ? 0 : 1);
