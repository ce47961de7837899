// Dash calls clientside functions by name; the page's modules are loaded once, on the first call.
(() => {
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  const modules = new URL("lab/", script.src);
  // The pages have controls of the same kinds: each page's module has its own functions of these names.
  /** @type {Record<string, string>} */
  const pages = { "/tuning": "tuning", "/opt": "finetuning" };
  // Of the Tuning page's two kinds of maps, each has a page of its own.
  const room = () => (document.querySelector("main.modelmap") ? "modelmap" : (pages[location.pathname] ?? "playground"));
  const page = () => import(new URL(`${room()}/main.mjs`, modules).href);

  const EARLY = new Set(["open", "tab"]); // may be called before a page is open

  /** A clientside callback that hands its values, and what triggered it, to a function of the page's module. @param {string} name */
  const entry = (name) => async (/** @type {unknown[]} */ ...values) => {
    const trigger = window.dash_clientside.callback_context.triggered_id;
    const module = await page();
    if (!EARLY.has(name)) await module.ready; // what is typed while a page is still being opened is not lost
    module[name](values, trigger);
    return window.dash_clientside.no_update;
  };

  /** What Dash calls. @type {Record<string, (...values: any[]) => unknown>} */
  const lab = Object.fromEntries(
    ["open", "chooseFunction", "clock", "hessianView", "field", "choice", "reset", "switch", "duplicate", "method", "tab", "made"].map(
      (name) => [name, entry(name)],
    ),
  );

  let first = true;
  /** Apply a theme: its value is kept in this browser, the first call restores it. */
  lab.theme = (chosen) => {
    const root = document.documentElement;
    if (first) {
      first = false;
      if (root.dataset.theme !== chosen) window.dash_clientside.set_props("theme", { value: root.dataset.theme });
    } else if (root.dataset.theme !== chosen) {
      // The user's choice, which outlives a link's: that is for one visit.
      root.dataset.theme = chosen;
      localStorage.setItem("lab-theme", chosen);
      const view = new URLSearchParams(location.hash.slice(1));
      if (view.has("theme")) {
        view.delete("theme");
        history.replaceState(history.state, "", `${location.pathname}${location.search}${view.size ? `#${view}` : ""}`);
      }
    }
    document.dispatchEvent(new CustomEvent("lab:theme"));
    return root.dataset.theme === "dark" ? "dark" : "light";
  };

  window.dash_clientside = Object.assign({}, window.dash_clientside, { lab });
})();
