import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["viz_app/assets/lab/vendor/", ".venv*/", "site/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: "latest", sourceType: "module", globals: { ...globals.browser } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-implicit-globals": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Use lit-html's render, or textContent." },
        { property: "outerHTML", message: "Use lit-html's render, or textContent." },
      ],
      "no-unused-vars": ["error", { args: "after-used" }],
    },
  },
  { files: ["tests/js/**"], languageOptions: { globals: { ...globals.node } } },
];
