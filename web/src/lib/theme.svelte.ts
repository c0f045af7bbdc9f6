// Light or dark: as the system has it until the person chooses. Drawings read `theme.dark`, so that they follow.
const KEY = "isthmus-theme";

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // a page from the disk may not be allowed to keep anything
  }
}

class Theme {
  dark = $state(false);
  private chosen = kept();

  constructor() {
    const system = matchMedia("(prefers-color-scheme: dark)");
    this.show(this.chosen === null ? system.matches : this.chosen === "dark");
    system.addEventListener("change", () => {
      if (this.chosen === null) this.show(system.matches);
    });
    // Paper is white; drawings on canvases are made anew for it.
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
  }

  toggle(): void {
    this.chosen = this.dark ? "light" : "dark";
    this.show(!this.dark);
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // It is chosen again next time.
    }
  }

  private screen = false;
  private print(paper: boolean): void {
    if (paper) this.screen = this.dark;
    this.show(paper ? false : this.screen);
    for (const more of document.querySelectorAll<HTMLDetailsElement>("details")) {
      if (paper && !more.open) more.dataset["closed"] = "";
      if (paper) more.open = true;
      else if ("closed" in more.dataset) more.open = false;
      if (!paper) delete more.dataset["closed"];
    }
  }

  private show(dark: boolean): void {
    this.dark = dark;
    document.documentElement.dataset["theme"] = dark ? "dark" : "light";
  }
}

export const theme = new Theme();
