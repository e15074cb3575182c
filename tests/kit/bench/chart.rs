//! Charts of comparisons, as SVG.
//!
//! They have a light background of their own, so they look the same on dark pages, and colors that
//! differ in lightness, so they can be printed in grey.

use std::fmt::Write as _;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Goal, Spread, table};

/// GitHub shows images of this width in a README at their own size.
const WIDTH: f64 = 700.0;
const MARGIN: f64 = 16.0;
/// Distance between the columns: names, bars, figures.
const GAP: f64 = 14.0;
const BAR: f64 = 14.0;

/// Font size of names and figures. Goals and units are one pixel smaller.
const FONT: f64 = 13.0;
const TITLE_FONT: f64 = 15.0;
/// Height of a line of text.
const LINE: f64 = 17.0;
/// Estimated width of a character relative to the font size, which suits the wide DejaVu Sans.
const CHARACTER: f64 = 0.62;

/// Longer names continue on the next line.
const NAME_CHARACTERS: usize = 27;
const TITLE_CHARACTERS: usize = 66;

const INK: &str = "#1f2328";
const PAPER: &str = "#f6f8fa";
const BORDER: &str = "#d0d7de";
const MAIN: &str = "#1f5fa8";
const OTHER: &str = "#b3c0cf";
const GOAL: &str = "#a40e26";
const BOLD: &str = "font-weight=\"bold\"";

/// Bars with the same scale.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: String,
    /// The unit of the figures.
    pub(super) unit: String,
    pub(super) bars: Vec<Bar>,
}

/// A bar: a figure, with a line from its minimum to its maximum, and a line for its goal.
#[derive(Clone, Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) figure: Spread,
    pub(super) goal: Goal,
}

/// Returns the file for the chart of a comparison with this name.
pub(super) fn file(folder: &Path, name: &str) -> PathBuf {
    let name = format!("{}-{name}", table::bench()).to_lowercase();
    let words = name.split(|character: char| !character.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    folder.join(words.join("-") + ".svg")
}

/// Writes a chart of these panels.
pub(super) fn write(file: &Path, title: &str, panels: &[Panel], rounds: usize) {
    let note = format!("Bars: medians of {rounds} rounds. Lines: minimum to maximum.");
    let folder = file.parent().expect("a folder");
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, svg(title, panels, &note)))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Returns the SVG of a chart. The first bar of each panel, and those with a goal, are darker.
fn svg(title: &str, panels: &[Panel], note: &str) -> String {
    let bars = || panels.iter().flat_map(|panel| &panel.bars);
    let width = |longest: Option<usize>| longest.unwrap_or(0) as f64 * FONT * CHARACTER;
    let names = bars().flat_map(|bar| wrap(&bar.name, NAME_CHARACTERS));
    let names = width(names.map(|name| name.chars().count()).max());
    let figures = width(bars().map(|bar| text(bar.figure).chars().count()).max());
    let plot = MARGIN + names + GAP;
    let mut drawing = Drawing {
        elements: String::new(),
        y: MARGIN,
        plot,
        plot_width: WIDTH - MARGIN - figures - GAP - plot,
    };
    drawing.lines(TITLE_FONT, BOLD, title);
    for panel in panels {
        drawing.panel(panel);
    }
    drawing.y += MARGIN / 2.0;
    drawing.lines(FONT - 1.0, "", note);
    let Drawing { elements, y, .. } = drawing;
    let height = y + MARGIN / 2.0;
    let title = escaped(title);
    let size = format!(r#"width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}""#);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<title>{title}</title>
<rect x="0.5" y="0.5" width="{}" height="{}" rx="6" fill="{PAPER}" stroke="{BORDER}"/>
<g font-family="system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif" fill="{INK}">
{elements}</g>
</svg>
"##,
        WIDTH - 1.0,
        height - 1.0,
    )
}

struct Drawing {
    elements: String,
    /// The upper end of what comes next.
    y: f64,
    /// The left end of the bars.
    plot: f64,
    plot_width: f64,
}

impl Drawing {
    fn panel(&mut self, panel: &Panel) {
        self.y += LINE / 2.0;
        if !panel.title.is_empty() {
            self.lines(FONT, BOLD, &panel.title);
        }
        self.lines(FONT - 1.0, "", &panel.unit);
        self.y += 3.0;
        let ends = panel.bars.iter().flat_map(|bar| {
            [
                bar.figure.median,
                bar.figure.max,
                bar.goal.value().unwrap_or(0.0),
            ]
        });
        let most = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
        for (index, bar) in panel.bars.iter().enumerate() {
            self.bar(bar, index == 0 || bar.goal.value().is_some(), most);
        }
    }

    fn bar(&mut self, bar: &Bar, is_main: bool, most: f64) {
        let (plot, plot_width) = (self.plot, self.plot_width);
        // Nothing is longer than the longest finite bar.
        let x = |value: f64| {
            let is_known = most > 0.0 && !value.is_nan();
            let share = if is_known { value / most } else { 0.0 };
            plot + plot_width * share.clamp(0.0, 1.0)
        };
        let begin = self.y;
        if let Some(goal) = bar.goal.value() {
            self.goal(bar, x(goal));
        }
        let lines = wrap(&bar.name, NAME_CHARACTERS);
        let height = LINE * lines.len() as f64;
        let top = self.y + (height - BAR) / 2.0;
        let middle = top + BAR / 2.0;
        let fill = if is_main { MAIN } else { OTHER };
        let [min, median, max] = [bar.figure.min, bar.figure.median, bar.figure.max].map(x);
        let elements = &mut self.elements;
        // The width of one pixel shows that there is a bar.
        let width = (median - plot).max(1.0);
        let area = format!(r#"x="{plot:.1}" y="{top:.1}" width="{width:.1}" height="{BAR}""#);
        let _ = writeln!(elements, r#"<rect class="bar" {area} fill="{fill}"/>"#);
        // A light line below the dark one keeps it visible on a dark bar. So it does for goals.
        let whisker = format!(
            "M{min:.1} {:.1}v8M{min:.1} {middle:.1}H{max:.1}M{max:.1} {:.1}v8",
            middle - 4.0,
            middle - 4.0
        );
        for (stroke, width) in [(PAPER, 4.0), (INK, 1.5)] {
            let _ = writeln!(
                elements,
                r#"<path class="range" d="{whisker}" stroke="{stroke}" stroke-width="{width}"/>"#
            );
        }
        if let Some(goal) = bar.goal.value() {
            let (x, label, end) = (x(goal), begin + LINE - 1.0, top + BAR + 3.0);
            let line = format!(r#"<path class="goal" d="M{x:.1} {label:.1}V{end:.1}""#);
            for (stroke, width, dashes) in [(PAPER, 5, "none"), (GOAL, 2, "4 2")] {
                let style = format!(r#"stroke-width="{width}" stroke-dasharray="{dashes}""#);
                let _ = writeln!(elements, r#"{line} stroke="{stroke}" {style}/>"#);
            }
        }
        let (name_end, figure_end) = (plot - GAP, WIDTH - MARGIN);
        let weight = if is_main { BOLD } else { "" };
        self.text(
            figure_end,
            middle + 4.5,
            FONT,
            "end",
            weight,
            &text(bar.figure),
        );
        for line in lines {
            self.text(name_end, self.y + LINE - 4.0, FONT, "end", weight, &line);
            self.y += LINE;
        }
        self.y += 5.0;
    }

    /// Writes the goal above its line, inside of the column of the bars.
    fn goal(&mut self, bar: &Bar, x: f64) {
        let is_reached = bar.goal.holds_for(bar.figure.median);
        let verdict = if is_reached { "reached" } else { "missed" };
        let label = format!("goal {}: {verdict}", bar.goal);
        let half = label.chars().count() as f64 * (FONT - 1.0) * CHARACTER / 2.0;
        let (first, last) = (self.plot + half, self.plot + self.plot_width - half);
        let x = x.min(last).max(first);
        self.text(
            x,
            self.y + LINE - 5.0,
            FONT - 1.0,
            "middle",
            &format!("fill=\"{GOAL}\""),
            &label,
        );
        self.y += LINE;
    }

    /// Writes text across the chart.
    fn lines(&mut self, size: f64, attributes: &str, content: &str) {
        for line in wrap(content, TITLE_CHARACTERS) {
            let y = self.y + LINE - 4.0;
            self.text(MARGIN, y, size, "start", attributes, &line);
            self.y += size + 5.0;
        }
    }

    fn text(&mut self, x: f64, y: f64, size: f64, anchor: &str, attributes: &str, content: &str) {
        let content = escaped(content);
        let place = format!(r#"x="{x:.1}" y="{y:.1}" text-anchor="{anchor}""#);
        let _ = writeln!(
            self.elements,
            r#"<text {place} font-size="{size}" {attributes}>{content}</text>"#
        );
    }
}

/// Returns a figure as text: three digits or more, and few characters even if it is huge.
fn text(figure: Spread) -> String {
    let Spread { min, median, max } = figure;
    if max >= 1e6 && max.is_finite() {
        return format!("{median:.2e} ({min:.2e}–{max:.2e})");
    }
    if median >= 100.0 {
        format!("{figure:#}")
    } else {
        figure.to_string()
    }
}

/// Splits text into lines of at most so many characters, at blanks if possible.
fn wrap(text: &str, characters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let word: Vec<_> = word.chars().collect();
        if length > 0 && length + 1 + word.len() > characters {
            lines.push(String::new());
            length = 0;
        }
        let line = lines.last_mut().expect("a line");
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        let mut parts = word.chunks(characters);
        let first = parts.next().unwrap_or_default();
        line.extend(first);
        length += first.len();
        for part in parts {
            lines.push(part.iter().collect());
            length = part.len();
        }
    }
    lines
}

/// Escapes text for XML, and removes the characters that XML cannot contain.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\u{fffe}' | '\u{ffff}' => {}
            _ if character.is_control() => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, values: [f64; 3], goal: Goal) -> Bar {
        Bar {
            name: name.to_owned(),
            figure: Spread::of(values),
            goal,
        }
    }

    fn chart(bars: impl IntoIterator<Item = Bar>) -> String {
        let panel = Panel {
            title: String::new(),
            unit: "ms".to_owned(),
            bars: bars.into_iter().collect(),
        };
        svg("a title", &[panel], "a note")
    }

    /// Returns the numbers in an attribute of the elements that contain `what`.
    fn numbers(svg: &str, what: &str, attribute: &str) -> Vec<Vec<f64>> {
        let elements = svg.lines().filter(|line| line.contains(what));
        let values = elements.map(|element| {
            let (_, value) = element.split_once(&format!(" {attribute}=\"")).unwrap();
            value.split_once('"').unwrap().0
        });
        let split = |value: &str| {
            let parts = value.split(|character: char| !"0123456789.-".contains(character));
            parts.filter_map(|part| part.parse().ok()).collect()
        };
        values.map(split).collect()
    }

    fn number(svg: &str, what: &str, attribute: &str) -> Vec<f64> {
        let numbers = numbers(svg, what, attribute);
        numbers.iter().map(|numbers| numbers[0]).collect()
    }

    /// The area of a text or a bar: left, right, top and bottom.
    type Area = [f64; 4];

    fn overlap(one: Area, other: Area) -> bool {
        one[0] < other[1] && other[0] < one[1] && one[2] < other[3] && other[2] < one[3]
    }

    /// Returns the lines of text, with the area that they cover.
    fn texts(svg: &str) -> Vec<(&str, Area)> {
        let lines = svg.lines().filter(|line| line.starts_with("<text"));
        let text = |line| {
            let number = |attribute| number(line, "<text", attribute)[0];
            let content = line.split(['<', '>']).nth(2).unwrap();
            let (size, x, y) = (number("font-size"), number("x"), number("y"));
            let width = content.chars().count() as f64 * size * CHARACTER;
            let left = match line {
                _ if line.contains("\"end\"") => x - width,
                _ if line.contains("\"middle\"") => x - width / 2.0,
                _ => x,
            };
            (
                content,
                [left, left + width, y - 0.8 * size, y + 0.2 * size],
            )
        };
        lines.map(text).collect()
    }

    fn bars(svg: &str) -> Vec<Area> {
        let [x, y, width] = ["x", "y", "width"].map(|name| number(svg, "\"bar\"", name));
        let bars = x.iter().zip(y).zip(width);
        bars.map(|((x, y), width)| [*x, x + width, y, y + BAR])
            .collect()
    }

    /// Asserts that nothing overlaps, and that everything is inside of the chart.
    fn assert_laid_out(svg: &str) {
        let height = number(svg, "<svg", "height")[0];
        let (texts, bars) = (texts(svg), bars(svg));
        for (index, (content, area)) in texts.iter().enumerate() {
            let [left, right, top, bottom] = *area;
            let is_inside = left >= 0.0 && right <= WIDTH && top >= 0.0 && bottom <= height;
            assert!(is_inside, "{content}: {svg}");
            let others = texts[..index].iter().map(|(_, other)| other).chain(&bars);
            let is_free = others.into_iter().all(|other| !overlap(*area, *other));
            assert!(is_free, "{content}: {svg}");
        }
        // Text has no quotes, so every second part is an attribute.
        let mut attributes = svg.split('"').skip(1).step_by(2);
        assert!(
            !attributes.any(|value| value.contains("NaN") || value.contains("inf")),
            "{svg}"
        );
    }

    #[test]
    fn bars_and_lines_share_a_scale() {
        let svg = chart([
            bar("ours", [1.0, 2.0, 3.0], Goal::None),
            bar("theirs", [4.0, 6.0, 8.0], Goal::AtMost(4.0)),
        ]);
        assert_laid_out(&svg);
        let widths = number(&svg, "\"bar\"", "width");
        let plot = number(&svg, "\"bar\"", "x")[0];
        let x = |value: f64| plot + widths[0] / 2.0 * value;
        let is = |is: f64, must: f64| assert!((is - must).abs() < 0.5, "{is}, {must}: {svg}");
        is(widths[1], 3.0 * widths[0]);
        let ranges = numbers(&svg, "\"range\"", "d");
        // Each line is drawn twice.
        for (range, [min, max]) in [(&ranges[0], [1.0, 3.0]), (&ranges[3], [4.0, 8.0])] {
            is(range[0], x(min));
            is(range[5], x(max));
        }
        is(numbers(&svg, "\"goal\"", "d")[0][0], x(4.0));
    }

    #[test]
    fn goal_outside_of_the_figures_is_on_the_scale() {
        let svg = chart([bar("ours", [1.0, 2.0, 3.0], Goal::AtLeast(40.0))]);
        assert_laid_out(&svg);
        let (plot, width) = (
            number(&svg, "\"bar\"", "x")[0],
            number(&svg, "\"bar\"", "width")[0],
        );
        let goal = numbers(&svg, "\"goal\"", "d")[0][0];
        assert!((goal - plot - 20.0 * width).abs() < 1.0, "{svg}");
    }

    #[test]
    fn goals_say_if_the_median_reaches_them() {
        let svg = chart([
            bar("one", [0.5, 1.0, 2.0], Goal::AtLeast(1.0)),
            bar("two", [0.5, 1.0, 2.0], Goal::AtMost(0.9)),
        ]);
        let texts = texts(&svg);
        let goals = texts.iter().map(|text| text.0);
        let goals = goals.filter(|text| text.starts_with("goal"));
        assert_eq!(
            goals.collect::<Vec<_>>(),
            ["goal ≥ 1.00: reached", "goal ≤ 0.90: missed"]
        );
    }

    #[test]
    fn long_names_continue_on_the_next_line() {
        let words = "a chunk into a TcpStream by another thread, woken for it";
        let name = "@scramjet/".repeat(9);
        let svg = chart([
            bar(words, [1.0, 2.0, 3.0], Goal::AtMost(0.5)),
            bar(&name, [1.0, 2.0, 3.0], Goal::AtMost(9.5)),
            bar("short", [1.0, 2.0, 3.0], Goal::None),
        ]);
        assert_laid_out(&svg);
        assert_eq!(wrap(words, 27).join(" "), words);
        assert_eq!(wrap(&name, 27).concat(), name);
        for line in wrap(words, 27).iter().chain(&wrap(&name, 27)) {
            assert!(
                line.chars().count() <= 27 && svg.contains(&format!(">{line}<")),
                "{svg}"
            );
        }
        assert_laid_out(&with_title(&"many words ".repeat(30)));
    }

    fn with_title(title: &str) -> String {
        let panel = Panel {
            title: title.to_owned(),
            unit: title.to_owned(),
            bars: vec![bar("one", [1.0, 2.0, 3.0], Goal::None)],
        };
        svg(title, &[panel.clone(), panel], title)
    }

    #[test]
    fn zero_huge_and_infinite_values_have_bars() {
        let sets = [
            [0.0, 0.0, 0.0],
            [0.0, 0.0, 1e300],
            [1e300, 1e300, 1e300],
            [1e-300, 1.0, 123_456_789.0],
            [0.0, 999.99, 999_999.99],
            [1.0, 2.0, f64::INFINITY],
            [f64::NAN; 3],
            [-1.0, -0.5, 1.0],
        ];
        for goal in [Goal::None, Goal::AtLeast(0.0), Goal::AtMost(1e9)] {
            for values in sets {
                let svg = chart([bar("one", values, goal), bar("two", [1.0, 2.0, 3.0], goal)]);
                assert_laid_out(&svg);
                let widths = number(&svg, "\"bar\"", "width");
                assert!(widths.iter().all(|width| *width >= 1.0), "{svg}");
            }
        }
        assert_laid_out(&chart([bar("one", [0.0; 3], Goal::None)]));
    }

    #[test]
    fn text_is_escaped_for_xml() {
        let name = "<b>&\"'\u{0}\u{1b}\u{ffff}é–";
        assert_eq!(escaped(name), "&lt;b&gt;&amp;&quot;'é–");
        let svg = with_title(name);
        assert!(
            svg.contains("<title>&lt;b&gt;&amp;&quot;'é–</title>"),
            "{svg}"
        );
        assert!(!svg.contains("<b>") && !svg.contains('\u{1b}'), "{svg}");
        let svg = chart([bar(name, [1.0, 2.0, 3.0], Goal::None)]);
        assert!(
            !svg.contains("<b>") && svg.contains(">&lt;b&gt;&amp;"),
            "{svg}"
        );
    }

    #[test]
    fn file_is_named_after_the_comparison() {
        let file = file(Path::new("some"), "Json, a LIST / 8");
        let name = file.to_str().unwrap();
        assert!(
            name.starts_with("some") && name.ends_with("-json-a-list-8.svg"),
            "{name}"
        );
    }
}
