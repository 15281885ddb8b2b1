// Compares Keygate's results with Node's. Standard input has the cases, as JSON lines from
//   cargo run --release -p keygate-expression --example differential -- COUNT [SEED]
// The argument is the expected number of cases.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { createContext, runInContext } from "node:vm";

const expected = Number(process.argv[2]);
const realm = createContext();
runInContext(readFileSync(new URL("expressions-realm.js", import.meta.url), "utf8"), realm);

const counts = { true: 0, false: 0, error: 0 };
let disagreements = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { expression, facts, result } = JSON.parse(line);
  const verdict = realm.verdict(expression, JSON.stringify(facts));
  counts[result] += 1;
  if (verdict !== result) {
    disagreements += 1;
    console.error(`${expression}\n  over ${JSON.stringify(facts)}\n  Keygate: ${result}; Node: ${verdict}`);
  }
}

const count = counts.true + counts.false + counts.error;
console.log(
  `expressions: ${count} cases (${counts.true} true, ${counts.false} false, ${counts.error} errors), ` +
    `${disagreements} disagreements`,
);
process.exit(disagreements === 0 && count === expected ? 0 : 1);
