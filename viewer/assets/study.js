/* A consultation that takes part in a study, opened with ?participant=PSEUDONYM, reports what was looked at and when.

Events name pages, features and treatment classes; nothing of the patient is in them. The pseudonym and the hour at which
the consultation began are kept for this tab alone, and leave the address bar. */
(function () {
  const KEY = "viewer-study";
  const TRY_AGAIN = 15000;
  const none = () => window.dash_clientside.no_update;
  const address = () => {
    const meta = document.querySelector("meta[name=viewer-events]");
    return meta ? meta.content : "";
  };
  const read = () => { try { return JSON.parse(window.sessionStorage.getItem(KEY)); } catch (error) { return null; } };
  const write = () => {
    try {
      if (study) { window.sessionStorage.setItem(KEY, JSON.stringify(study)); } else { window.sessionStorage.removeItem(KEY); }
    } catch (error) { /* private mode: the study lasts until the page is left */ }
  };
  let study = null;
  let sending = false;
  let weighed = null;

  const say = (failed) => {
    const place = document.getElementById("study-state");
    if (!place) { return; }
    place.textContent = failed ? place.dataset.failed : (study && study.ended ? place.dataset.ended : "");
    place.className = failed ? "field-error" : "hint";
  };

  /* Events wait in the tab until the service has kept them; none is lost to a dropped connection. */
  const send = (leaving) => {
    if (!study || sending || !study.waiting.length) { return; }
    const batch = study.waiting.slice(0, 500);
    sending = true;
    window.fetch(address().replace("{participant}", encodeURIComponent(study.participant)), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ events: batch }),
      keepalive: leaving === true,
    }).then((answer) => answer.ok, () => false).then((kept) => {
      sending = false;
      if (kept && study) { study.waiting = study.waiting.slice(batch.length); write(); send(); }
      if (!kept) { window.setTimeout(send, TRY_AGAIN); }
      say(!kept);
    });
  };
  const note = (kind, detail) => {
    if (!study || study.ended) { return; }
    const seconds = Math.min(21600, Math.round((Date.now() - study.began) / 1000));
    study.waiting.push({ kind: kind, seconds: seconds, detail: detail || "" });
    write();
  };
  window.addEventListener("pagehide", () => send(true));

  /* What of similarity was changed, by feature; "k", "source_kind" and "baselines" where it is no feature. The service
     refuses other words, and with one of them all that was sent with it: they are those of cdss/evaluation/forms.py. */
  const asked = (session) => {
    const similarity = session.similarity || {};
    const criteria = similarity.criteria || {};
    const all = {
      k: similarity.k || null,
      source_kind: criteria.source_kinds || null,
      baselines: criteria.baselines || null,
    };
    Object.entries(similarity.weights || {}).forEach(([name, weight]) => { all[`${name}:weight`] = weight; });
    Object.entries(criteria.calipers || {}).forEach(([name, reach]) => { all[`${name}:caliper`] = reach; });
    (criteria.same || []).forEach((name) => { all[`${name}:same`] = true; });
    return all;
  };
  const changed = (before, after) => {
    const names = Object.keys({ ...before, ...after });
    const told = names.filter((name) => JSON.stringify(before[name] ?? null) !== JSON.stringify(after[name] ?? null));
    return new Set(told.map((name) => name.split(":")[0]).filter((name) => name !== "phenotype"));
  };

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.viewer = window.dash_clientside.viewer || {};
  Object.assign(window.dash_clientside.viewer, {
    /* The participant of the link, or the one this tab has been opened for; null when there is no study. */
    participant: function (search) {
      const given = new URLSearchParams(search || "").get("participant") || "";
      if (address() && /^[A-Za-z0-9_-]{1,64}$/.test(given)) {
        study = read();
        if (!study || study.participant !== given || study.ended) {
          study = { participant: given, began: Date.now(), waiting: [], viewed: "", ended: false };
          note("opened");
          send();
        }
        const rest = new URLSearchParams(search);
        rest.delete("participant");
        const query = rest.toString() ? `?${rest}` : "";
        window.history.replaceState(null, "", window.location.pathname + query + window.location.hash);
      } else if (address() && !study) {
        study = read();
        if (study && study.ended) { study = null; }
      }
      return study ? study.participant : null;
    },
    follow: function (pathname, tab, session) {
      if (!study) { return none(); }
      const page = (pathname || "").split("/").filter(Boolean).slice(1).join("-") || tab;
      if (page && page !== study.viewed) { study.viewed = page; note("viewed", page); }
      if (session) {
        const now = asked(session);
        if (weighed) { changed(weighed, now).forEach((name) => note("reweighted", name)); }
        weighed = now;
      }
      send();
      return none();
    },
    endStudy: function (clicks, considered, decided) {
      if (!clicks || !study || study.ended) { return none(); }
      (considered || []).forEach((name) => note("considered_after", name));
      if (decided) { note("decided", decided); }
      note("closed");
      study.ended = true;
      write();
      document.getElementById("study-end").disabled = true;
      say(false);
      send();
      return none();
    },
  });
})();
