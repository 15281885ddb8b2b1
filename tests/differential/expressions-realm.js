// JavaScript as group expressions promise it: run in a fresh realm, by whichever engine.
//
// One thing is changed: nothing is inherited by name. Without `groups.constructor` and the like
// coming from prototypes, JavaScript itself says what the rest must be: an object has no text, for
// it has no `toString`. Arrays keep theirs, by a symbol that no expression can name, and `includes`.
"use strict";

globalThis.verdict = (() => {
  const join = Function.prototype.call.bind(Array.prototype.join);
  for (const { prototype } of [Array, String, Number, Boolean, Object]) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      // `length` of Array.prototype and String.prototype stays: each array and string has its own.
      if (prototype !== Array.prototype || name !== "includes") {
        Reflect.deleteProperty(prototype, name);
      }
    }
  }
  Object.defineProperty(Array.prototype, Symbol.toPrimitive, {
    value() {
      return join(this, ",");
    },
  });

  // "true", "false" or "error"; anything else is a disagreement whatever Keygate says.
  return (expression, json) => {
    const facts = JSON.parse(json);
    let evaluate;
    try {
      evaluate = new Function(
        "clientType", "isBackoffice", "groups", "permissions", "user",
        `"use strict"; return (${expression}\n)`,
      );
    } catch (error) {
      return `not JavaScript: ${error.message}`;
    }
    try {
      const { clientType, isBackoffice, groups, permissions, user } = facts;
      return evaluate(clientType, isBackoffice, groups, permissions, user) ? "true" : "false";
    } catch (error) {
      return error instanceof TypeError ? "error" : `not a TypeError: ${error.message}`;
    }
  };
})();
