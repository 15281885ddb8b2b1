// Evaluates group expressions as JavaScript, in a fresh realm of any engine.
//
// The only change is that nothing is inherited by name, so `groups.constructor` and the like do not come
// from prototypes. The rest follows: an object cannot be converted to a string, because it has no
// `toString`. Arrays can, by a symbol that no expression can name, and they keep `includes`.
"use strict";

globalThis.verdict = (() => {
  const join = Function.prototype.call.bind(Array.prototype.join);
  for (const { prototype } of [Array, String, Number, Boolean, Object]) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      // `length` stays, because each array and string has its own.
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

  // "true", "false" or "error"; any other text is a disagreement.
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
