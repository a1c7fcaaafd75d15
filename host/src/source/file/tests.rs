//! A file as a source: every line, from every place, and what must be refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::io::Write;

use super::chunks::CHUNK_BYTES;
use super::*;

const LINES: &[u8] = b"{\"a\":1}\n\nnot json\r\n\xff\x00\xfe\n{\"b\":\"\xc3\xa9\"}\nlast without line feed";

struct Scene {
    folder: tempfile::TempDir,
    follow: bool,
    max_line: usize,
}

impl Scene {
    fn new(content: &[u8]) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), follow: false, max_line: MAX_LINE_BYTES };
        std::fs::write(scene.path(), content).unwrap();
        scene
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("in.ndjson")
    }

    fn append(&self, content: &[u8]) {
        let mut file = std::fs::OpenOptions::new().append(true).open(self.path()).unwrap();
        file.write_all(content).unwrap();
    }

    async fn open(&self, resume: Option<i64>) -> Result<FileSourceReader, SourceError> {
        let context = OpenContext {
            pipeline: "p".into(),
            display: "file:in.ndjson".to_owned(),
            data_dir: self.folder.path().to_owned(),
            resume: resume.into_iter().map(|next| (0, next)).collect(),
            custodian: None,
        };
        open_with(&FileSource { path: self.path(), follow: self.follow }, &context, self.max_line).await
    }
}

fn limits(records: usize) -> BatchLimits {
    BatchLimits { records, bytes: 1 << 20, linger: Duration::ZERO, idle: Duration::ZERO }
}

async fn fill(source: &mut FileSourceReader, limits: &BatchLimits) -> (Filled, Batch) {
    let mut batch = Batch::new("".into());
    let filled = source.fill(&mut batch, limits).await.unwrap();
    (filled, batch)
}

fn values(batch: &Batch) -> Vec<Vec<u8>> {
    batch.values.iter().map(<[u8]>::to_vec).collect()
}

fn lines() -> Vec<Vec<u8>> {
    LINES.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn every_line_is_a_record_with_its_bytes_untouched() {
    let scene = Scene::new(LINES);
    let mut source = scene.open(None).await.unwrap();
    let (filled, batch) = fill(&mut source, &limits(100)).await;
    assert_eq!(filled, Filled::Records);
    assert_eq!(values(&batch), lines());
    assert_eq!(batch.positions().next_offset(0), Some(LINES.len() as i64));
    assert_eq!(fill(&mut source, &limits(100)).await.0, Filled::End);
}

#[tokio::test]
async fn resumes_at_each_line_with_the_lines_that_are_left() {
    let scene = Scene::new(LINES);
    let all = lines();
    for done in 0..=all.len() {
        let mut first = scene.open(None).await.unwrap();
        let resume = match done {
            0 => None,
            _ => fill(&mut first, &limits(done)).await.1.positions().next_offset(0),
        };
        let mut source = scene.open(resume).await.unwrap();
        let mut rest = Vec::new();
        while let (Filled::Records, batch) = fill(&mut source, &limits(1)).await {
            rest.extend(values(&batch));
        }
        assert_eq!(rest, all[done..], "after {done} lines");
    }
}

#[tokio::test]
async fn a_batch_keeps_to_its_bytes_but_takes_one_long_line() {
    let scene = Scene::new(b"aaaaaaaaaa\nbb\ncc\ndd\n");
    let mut source = scene.open(None).await.unwrap();
    let small = BatchLimits { bytes: 5, ..limits(100) };
    for expected in [&["aaaaaaaaaa"][..], &["bb", "cc"], &["dd"]] {
        let (_, batch) = fill(&mut source, &small).await;
        assert_eq!(values(&batch), expected.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn lines_longer_than_a_chunk_come_whole() {
    let mut content = vec![b'x'; 3 * CHUNK_BYTES + 5];
    content.extend_from_slice(b"\nshort\n");
    let scene = Scene::new(&content);
    let mut source = scene.open(None).await.unwrap();
    let (_, batch) = fill(&mut source, &limits(1)).await;
    assert_eq!(batch.values.get(0).len(), 3 * CHUNK_BYTES + 5);
    assert_eq!(values(&fill(&mut source, &limits(1)).await.1), [b"short"]);
}

#[tokio::test]
async fn a_line_beyond_the_limit_is_refused_with_its_place() {
    let mut scene = Scene::new(b"first\n");
    scene.append(&vec![b'x'; 2000]);
    scene.max_line = 1000;
    let mut source = scene.open(None).await.unwrap();
    assert_eq!(values(&fill(&mut source, &limits(1)).await.1), [b"first"]);
    let error = source.fill(&mut Batch::new("".into()), &limits(1)).await.unwrap_err();
    assert!(!error.retryable);
    assert!(error.to_string().contains("in.ndjson` has a line of more than 1000 bytes that begins at byte 6"));
}

#[tokio::test]
async fn a_file_that_got_shorter_is_refused() {
    let scene = Scene::new(b"a\nb\n");
    let error = scene.open(Some(9)).await.unwrap_err();
    assert!(!error.retryable);
    assert!(error.to_string().contains("has 4 bytes and was read up to byte 9 before"), "{error}");
}

#[tokio::test]
async fn a_last_line_that_grew_after_it_was_read_is_noticed() {
    let scene = Scene::new(b"a\nb");
    scene.append(b"\nc\n");
    let mut source = scene.open(Some(3)).await.unwrap();
    assert_eq!(values(&fill(&mut source, &limits(9)).await.1), [b"c"], "it only got its line feed");

    let scene = Scene::new(b"a\nbb\n");
    let error = scene.open(Some(3)).await.unwrap_err();
    assert!(error.to_string().contains("the line that ended at byte 3 goes on now"), "{error}");
}

#[tokio::test]
async fn a_followed_file_waits_for_the_end_of_a_line() {
    let mut scene = Scene::new(b"a\nhal");
    scene.follow = true;
    let mut source = scene.open(None).await.unwrap();
    assert_eq!(values(&fill(&mut source, &limits(9)).await.1), [b"a"]);
    assert_eq!(fill(&mut source, &limits(9)).await.0, Filled::CaughtUp);
    let patient = BatchLimits { idle: Duration::from_secs(30), ..limits(9) };
    let mut batch = Batch::new("".into());
    let mut filling = source.fill(&mut batch, &patient);
    assert!(futures::poll!(&mut filling).is_pending());
    scene.append(b"f\n");
    assert_eq!(filling.await.unwrap(), Filled::Records);
    assert_eq!(values(&batch), [b"half"]);
}

#[tokio::test]
async fn a_followed_file_that_is_cut_is_refused() {
    let mut scene = Scene::new(b"a\nb\n");
    scene.follow = true;
    let mut source = scene.open(None).await.unwrap();
    assert_eq!(fill(&mut source, &limits(9)).await.1.len(), 2);
    std::fs::write(scene.path(), b"").unwrap();
    assert!(!source.fill(&mut Batch::new("".into()), &limits(9)).await.unwrap_err().retryable);
}

#[tokio::test]
async fn a_missing_file_and_a_folder_are_refused() {
    let scene = Scene::new(b"");
    assert_eq!(fill(&mut scene.open(None).await.unwrap(), &limits(1)).await.0, Filled::End);
    std::fs::remove_file(scene.path()).unwrap();
    assert!(scene.open(None).await.unwrap_err().to_string().contains("cannot open"));
    std::fs::create_dir(scene.path()).unwrap();
    assert!(scene.open(None).await.unwrap_err().to_string().contains("is a folder"));
}
