/* What needs no server: language and theme are kept in this browser, the form forgets a value, the page prints. */
(function () {
  const keep = (key, value) => { try { window.localStorage.setItem(key, value); } catch (error) { /* private mode */ } };
  const kept = (key) => { try { return window.localStorage.getItem(key); } catch (error) { return null; } };
  const first = () => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    return (kept("viewer-theme") || (dark ? "dark" : "light")) === "dark" ? "dark" : "light";
  };
  /* Before anything is drawn, so that a dark page does not begin with a white flash. */
  document.documentElement.setAttribute("data-mantine-color-scheme", first());
  const none = () => window.dash_clientside.no_update;
  /* What is said at each field at present; a page that is drawn anew has new fields. */
  const complaints = new WeakMap();

  /* A link that carries a patient, opened in a page that is open already, opens anew. */
  const carries = () => window.location.hash.startsWith("#patient=");
  window.addEventListener("hashchange", () => { if (carries()) { window.location.reload(); } });

  /* The second screen is a window that this one opened, and follows it: it asks for the session once it is ready, and
     is told of every change. Nothing of it is in an address or passes through the service, and no other window can
     speak to it. */
  const FOLLOW = "#follow";
  const page = (name) => new URL(name, window.location.href.split(/[?#]/)[0]).href;
  let secondScreen = null;
  let latest = null;
  let asked = false;
  const tell = () => {
    if (latest && secondScreen && !secondScreen.closed) {
      secondScreen.postMessage({ viewerSession: latest }, window.location.origin);
    }
  };
  document.addEventListener("click", function (event) {
    if (event.target instanceof Element && event.target.closest("#second-screen")) {
      secondScreen = window.open(page("patient") + FOLLOW, "viewer-second-screen");
    }
  });
  window.addEventListener("message", function (event) {
    if (event.origin !== window.location.origin || !event.source || !event.data) { return; }
    if (event.data.viewerReady && event.source.opener === window) {
      secondScreen = event.source;
      tell();
    }
    if (event.data.viewerSession && event.source === window.opener) {
      window.dash_clientside.set_props("session", { data: event.data.viewerSession });
    }
  });

  /* A link for another device is made when its menu is opened, and is forgotten when it is closed. */
  document.addEventListener("toggle", function (event) {
    if (event.target.id !== "share-menu") { return; }
    if (event.target.open) {
      window.dash_clientside.set_props("share-asked", { data: Date.now() });
    } else {
      window.dash_clientside.set_props("share-link", { value: "" });
      document.getElementById("share-state").textContent = "";
    }
  }, true);

  /* Whoever works by keyboard stays where the work is: what had the focus goes when its part of the page is drawn anew or
     hidden, and then another element has it, but never while something else does. */
  const SOON = 1500;
  let catching = null;
  const catchFocus = (selector) => {
    window.clearInterval(catching);
    const until = Date.now() + SOON;
    catching = window.setInterval(() => {
      const lost = !document.activeElement || document.activeElement === document.body;
      const next = lost ? document.querySelector(selector) : null;
      if (next) { next.focus({ preventScroll: true }); }
      if (next || Date.now() > until) { window.clearInterval(catching); }
    }, 50);
  };
  let shownPage = null;
  let shownLanguage = null;
  const keepFocus = (language) => {
    const here = window.location.pathname;
    if (shownPage !== null && here !== shownPage) { catchFocus("#main"); }
    else if (shownPage !== null && language !== shownLanguage) { catchFocus("#language-choice input:checked"); }
    shownPage = here;
    shownLanguage = language;
  };

  /* A menu closes with Escape, and when the tab key leaves it: it would hide the fields beneath. */
  const shut = (menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  };
  document.addEventListener("keydown", function (event) {
    const menu = event.target instanceof Element ? event.target.closest(".menu[open]") : null;
    if (!menu) { return; }
    if (event.key === "Escape") { shut(menu); }
    if (event.key === "Tab") {
      window.setTimeout(() => { if (!menu.contains(document.activeElement)) { menu.open = false; } }, 0);
    }
  });

  const make = (tag, words, name) => {
    const node = document.createElement(tag);
    if (words) { node.textContent = words; }
    if (name) { node.className = name; }
    return node;
  };

  /* Which treatments are not shown, and why: drawn anew only when something else is said; what was unfolded stays so. */
  const refused = (said) => {
    const place = document.getElementById("refusals");
    const now = JSON.stringify(said);
    if (!place || place.dataset.said === now) { return; }
    place.dataset.said = now;
    if (!said) { place.replaceChildren(); return; }
    if (!said.reasons.length) { place.replaceChildren(make("p", said.line, "hint")); return; }
    const whole = make("details");
    const before = place.querySelector("details");
    whole.open = before !== null && before.open;
    const list = make("ul");
    said.reasons.forEach(([names, reason]) => {
      const one = make("li");
      one.append(make("strong", names), `: ${reason}`);
      list.append(one);
    });
    whole.append(make("summary", said.line), list, make("p", said.mend, "hint"));
    place.replaceChildren(whole);
  };

  /* Patients of reference at every visit are first searched for some seconds: that is said at the choice until the answer
     is there, and to nobody when it comes at once. */
  const NOTICED = 400;
  const JOURNEY = 2000;
  let watch = null;
  const awaited = (chosen, since) => {
    const pending = document.querySelector("#panel-who [data-dash-is-loading='true']") !== null;
    const criteria = latest ? latest.similarity.criteria : {};
    return pending || (since < JOURNEY && chosen !== (criteria.baselines || "start"));
  };
  const wait = (chosen) => {
    window.clearInterval(watch);
    const began = Date.now();
    const say = () => {
      const place = document.getElementById("similarity-wait");
      const since = Date.now() - began;
      const busy = awaited(chosen, since);
      const words = place && busy && since >= NOTICED ? place.dataset.waiting : "";
      if (place && place.textContent !== words) { place.textContent = words; }
      const found = document.querySelector("#panel-who .who");
      if (found) { found.setAttribute("aria-busy", String(words !== "")); }
      if (!busy || !place) { window.clearInterval(watch); }
    };
    watch = window.setInterval(say, 100);
  };

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.viewer = window.dash_clientside.viewer || {};
  Object.assign(window.dash_clientside.viewer, {
    /* Once the session is here, what the link carried leaves the address bar; a second screen asks for its own, and
       is told of a change. */
    sessionIsHere: function (session) {
      if (!session) { return none(); }
      if (carries()) { window.history.replaceState(null, "", window.location.pathname + window.location.search); }
      latest = session;
      tell();
      if (window.opener && !asked && window.location.hash === FOLLOW) {
        asked = true;
        window.opener.postMessage({ viewerReady: true }, window.location.origin);
      }
      return none();
    },
    shareLink: function (fragment) {
      const state = document.getElementById("share-state");
      state.textContent = fragment ? "" : state.dataset.failed;
      return fragment ? page("patient") + fragment : "";
    },
    copyLink: function (clicks) {
      const field = document.getElementById("share-link");
      if (!clicks || !field.value) { return none(); }
      field.select();
      /* The clipboard of the browser is there on secure addresses only; the old way is there everywhere. */
      if (document.execCommand("copy")) {
        const state = document.getElementById("share-state");
        state.textContent = state.dataset.copied;
      }
      return none();
    },
    /* The language of the link, else the one chosen before, else the browser's. */
    firstLanguage: function (participant, current) {
      if (current) { return none(); }
      const asked = new URLSearchParams(window.location.search).get("lang");
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
      return first();
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
      if (title) {
        document.title = title;
        keepFocus(language);
      }
      return none();
    },
    /* What is said above the tabs and at the fields: only what has changed is touched. */
    summary: function (data) {
      if (!data) { return none(); }
      const change = (id, property, value) => {
        const element = document.getElementById(id);
        if (element && element[property] !== value) { element[property] = value; }
      };
      Object.entries(data.words).forEach(([id, words]) => change(id, "textContent", words));
      Object.entries(data.classes).forEach(([id, name]) => change(id, "className", name));
      refused(data.refusals);
      Object.entries(data.errors).forEach(([id, error]) => {
        const field = document.getElementById(id);
        if (field && (complaints.get(field) || null) !== error) {
          complaints.set(field, error);
          window.dash_clientside.set_props(id, { error: error });
        }
      });
      return none();
    },
    /* Draws a table of results; see components/plain_table.py for why it is not made of components. */
    table: function (data, element) {
      const place = document.getElementById(element);
      if (!place || !data) { return none(); }
      const swatch = (treatment) => {
        const chip = document.querySelector(`.legend-chips input[value="${treatment}"] ~ label .swatches`);
        return chip ? chip.cloneNode(true) : make("span");
      };
      const whole = make("table", "", "outcomes");
      if (data.title) {
        const caption = make("caption");
        caption.append(make("strong", data.title), ` · ${data.hint}`);
        whole.append(caption);
      }
      const head = make("tr");
      data.heads.forEach((words) => { const th = make("th", words); th.scope = "col"; head.append(th); });
      const top = make("thead");
      top.append(head);
      const body = make("tbody");
      data.rows.forEach((row) => {
        const line = make("tr");
        const name = make("th");
        name.scope = "row";
        const words = make("span", "", "row-name");
        if (row.treatment) { words.append(swatch(row.treatment)); }
        words.append(row.name);
        name.append(words);
        line.append(name);
        row.cells.forEach((cell) => {
          const td = make("td", "", cell.kind);
          td.append(make(cell.kind ? "span" : "strong", cell.value));
          if (cell.behind) { td.append(make("span", cell.behind, "behind")); }
          if (cell.below) { td.append(make("span", cell.below, "interval")); }
          if (cell.month) { td.append(make("span", cell.month, "other-month")); }
          line.append(td);
        });
        const rest = data.heads.length - 1 - row.cells.length;
        if (rest > 0) { line.lastChild.colSpan = rest + 1; }
        body.append(line);
      });
      whole.append(top, body);
      place.replaceChildren(whole);
      return none();
    },
    /* The session as the form has it; what is not in the form stays as it was. */
    readForm: function (...given) {
      const before = given.pop();
      const names = given.pop();
      const shown = given.pop();
      const further = given.pop() || [];
      const cells = given.slice(names.length);
      const columns = 5;
      const rows = cells.length / columns;
      const value = (one) => (one === "" || one === undefined || one === false ? null : one);
      const visits = Array.from({ length: rows }, (_, row) =>
        Array.from({ length: columns }, (_, column) => value(cells[column * rows + row])));
      const session = {
        values: Object.fromEntries(names.map((name, at) => [name, value(given[at])])),
        history: [...visits.filter((visit) => visit.some((one) => one !== null)), ...further],
        shown: shown,
        similarity: (before || {}).similarity || { weights: {}, k: null, criteria: {} },
      };
      return JSON.stringify(session) === JSON.stringify(before) ? none() : session;
    },
    /* How to look: one value as it is, several by the last word of their elements' ids. What a page comes with is given
       on too: its figures wait for it. */
    gather: function (...values) {
      if (values.length === 1) { return values[0]; }
      const names = window.dash_clientside.callback_context.inputs_list.map((one) => one.id.split("-").pop());
      return Object.fromEntries(names.map((name, at) => [name, values[at]]));
    },
    showClasses: function (shown, session) {
      const same = !session || [...shown].sort().join() === [...session.shown].sort().join();
      return same ? none() : { ...session, shown: shown };
    },
    close: function () {
      /* Dash calls this also when the menu is drawn. */
      const menu = document.getElementById("example-menu");
      if (menu.open && menu.contains(document.activeElement)) { shut(menu); }
      menu.open = false;
      return none();
    },
    awaitVisits: function (chosen) {
      if (chosen) { wait(chosen); }
      return none();
    },
    answerShown: function (hidden) {
      if (hidden === false) { catchFocus("#patient-answer-title"); }
      return none();
    },
    forget: function (clicks) { return clicks ? "" : none(); },
    print: function (clicks) { if (clicks) { window.print(); } return none(); },
  });

  /* The button opens the choice of a file; the field that Dash lays over it, unseen, would be a second stop for the same. */
  document.addEventListener("toggle", function (event) {
    const field = event.target.querySelector("input[type=file]");
    if (field) {
      field.tabIndex = -1;
      field.setAttribute("aria-hidden", "true");
    }
  }, true);

  /* A number that arrives whole (pasted, dictated, filled in) keeps its decimals whichever mark it was written with: 2.5
     must not become 25 on a French page. */
  const whole = (event, words) => {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || !/^poi-/.test(field.id) || field.type !== "text") { return; }
    const number = (words || "").trim();
    const mark = document.documentElement.lang === "fr" ? "," : ".";
    if (!/^-?\d+[.,]\d+$/.test(number) || number.includes(mark)) { return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    document.execCommand("insertText", false, number.replace(/[.,]/, mark));
  };
  document.addEventListener("paste", (event) => whole(event, event.clipboardData && event.clipboardData.getData("text")), true);
  document.addEventListener("beforeinput", (event) => whole(event, event.data), true);
})();
