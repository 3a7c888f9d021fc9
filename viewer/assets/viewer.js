/* What needs no server: language and theme are kept in this browser, the form forgets a value, the page prints. */
(function () {
  const keep = (key, value) => { try { window.localStorage.setItem(key, value); } catch (error) { /* private mode */ } };
  const kept = (key) => { try { return window.localStorage.getItem(key); } catch (error) { return null; } };
  const none = () => window.dash_clientside.no_update;

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.viewer = {
    /* The language of the link, else the one chosen before, else the browser's. */
    firstLanguage: function (search, current) {
      if (current) { return none(); }
      const asked = new URLSearchParams(search || "").get("lang");
      const wishes = [asked, kept("viewer-language"), (navigator.language || "en").slice(0, 2)];
      return wishes.find((one) => ["en", "fr"].includes(one)) || "en";
    },
    chooseLanguage: function (chosen, current) {
      if (!chosen || chosen === current) { return none(); }
      keep("viewer-language", chosen);
      return chosen;
    },
    firstTheme: function (search, current) {
      if (current) { return none(); }
      const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
      return (kept("viewer-theme") || (dark ? "dark" : "light")) === "dark" ? "dark" : "light";
    },
    otherTheme: function (clicks, current) {
      if (!clicks) { return none(); }
      const next = current === "dark" ? "light" : "dark";
      keep("viewer-theme", next);
      return next;
    },
    scheme: function (theme) { return theme || none(); },
    document: function (title, language) {
      document.documentElement.lang = language || "en";
      if (title) { document.title = title; }
      return none();
    },
    close: function () {
      document.getElementById("example-menu").open = false;
      return none();
    },
    forget: function (clicks) { return clicks ? "" : none(); },
    print: function (clicks) { if (clicks) { window.print(); } return none(); },
  };
})();
