//! The report of tests that continuous integration reads: JUnit XML.

use super::test::Tested;

/// The report as XML.
pub fn junit(suite: &str, tested: &[Tested]) -> String {
    let failed = tested.iter().filter(|tested| !tested.faults.is_empty()).count();
    let took: f64 = tested.iter().map(|tested| tested.took.as_secs_f64()).sum();
    let counts = format!("tests=\"{}\" failures=\"{failed}\" time=\"{took:.3}\"", tested.len());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!("<testsuites {counts}>\n  <testsuite name=\"{}\" {counts}>\n", escaped(suite)));
    for test in tested {
        let (class, name) = (escaped(&test.pipeline), escaped(&test.name));
        let took = test.took.as_secs_f64();
        xml.push_str(&format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"{took:.3}\""));
        if test.faults.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        let first = test.faults.first().and_then(|fault| fault.lines().next()).unwrap_or_default();
        let text = escaped(&test.faults.join("\n"));
        xml.push_str(&format!(">\n      <failure message=\"{}\">{text}</failure>\n    </testcase>\n", escaped(first)));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// As text or attribute; what XML 1.0 has no way to say is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_report_golden() {
        let tested = |name: &str, faults: &[&str]| Tested {
            pipeline: "store".to_owned(),
            name: name.to_owned(),
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            took: Duration::from_millis(2),
        };
        let report =
            junit("pipeline.toml", &[tested("a < b", &[]), tested("fails", &["p:1:1: record 1\n  found \"\0\""])]);
        insta::assert_snapshot!(report, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="2" failures="1" time="0.004">
          <testsuite name="pipeline.toml" tests="2" failures="1" time="0.004">
            <testcase classname="store" name="a &lt; b" time="0.002"/>
            <testcase classname="store" name="fails" time="0.002">
              <failure message="p:1:1: record 1">p:1:1: record 1
          found &quot;�&quot;</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
