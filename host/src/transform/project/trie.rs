//! The wanted pointers as a tree: which members and elements lead to a wanted field, and which can be skipped.
//!
//! Nodes are numbered in preorder, the root is 0: what lies below a node is the range of numbers that follows it, so
//! that forgetting a replaced object is one range.

use std::collections::BTreeSet;
use std::ops::Range;

use super::pointer;

/// Number of the root, which stands for the whole document.
pub(super) const ROOT: usize = 0;

/// Where a member or element of a document leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The node's number, or [`Trie::nowhere`].
    pub node: usize,
    /// Whether fields below it are wanted.
    pub inner: bool,
}

/// The wanted pointers, merged.
pub(super) struct Trie {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// [`fingerprint`] of each member's key, ascending.
    fingerprints: Vec<u64>,
    /// In the order of their fingerprints.
    members: Vec<(Box<[u8]>, Target)>,
    /// Those members whose key is also an element's index, sorted by index.
    elements: Vec<(usize, Target)>,
    /// The number after the last one below this node.
    end: usize,
}

impl Trie {
    /// Merges pointers, given as tokens; also tells the node of each.
    pub(super) fn new(pointers: &[Vec<String>]) -> (Self, Vec<usize>) {
        // In a sorted set of all prefixes, every path comes before those that extend it and keeps them together: its
        // order is the preorder.
        let paths: BTreeSet<&[String]> =
            pointers.iter().flat_map(|tokens| (0..=tokens.len()).filter_map(|n| tokens.get(..n))).collect();
        let paths: Vec<&[String]> = paths.into_iter().collect();
        let number = |path: &[String]| paths.partition_point(|other| *other < path);
        let end = |path: &[String]| number(path) + paths.iter().filter(|other| other.starts_with(path)).count();

        let mut nodes: Vec<Node> = paths.iter().map(|path| Node { end: end(path), ..Node::default() }).collect();
        if nodes.is_empty() {
            nodes.push(Node { end: 1, ..Node::default() });
        }
        for (node, path) in paths.iter().enumerate() {
            let Some((token, parent)) = path.split_last() else { continue };
            let target = Target { node, inner: end(path) > node + 1 };
            if let Some(parent) = nodes.get_mut(number(parent)) {
                parent.members.push((token.as_bytes().into(), target));
                parent.elements.extend(pointer::array_index(token).map(|index| (index, target)));
            }
        }
        for node in &mut nodes {
            node.members.sort_unstable_by_key(|(key, _)| fingerprint(key));
            node.fingerprints = node.members.iter().map(|(key, _)| fingerprint(key)).collect();
            node.elements.sort_unstable_by_key(|(index, _)| *index);
        }
        (Self { nodes }, pointers.iter().map(|tokens| number(tokens)).collect())
    }

    /// How many nodes there are, the root included.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The target of everything that nobody wants; its number is one past the last node's.
    pub(super) fn nowhere(&self) -> Target {
        Target { node: self.nodes.len(), inner: false }
    }

    /// Where the member with that (decoded) key of an object at `node` leads.
    pub(super) fn member(&self, node: usize, key: &[u8]) -> Target {
        let Some(node) = self.nodes.get(node) else { return self.nowhere() };
        // Numbers are searched without a branch that could be mispredicted; the keys themselves are compared once.
        let wanted = fingerprint(key);
        let first = node.fingerprints.partition_point(|other| *other < wanted);
        let candidates = node.fingerprints.iter().zip(&node.members).skip(first);
        candidates
            .take_while(|(other, _)| **other == wanted)
            .find(|(_, (other, _))| other.as_ref() == key)
            .map_or(self.nowhere(), |(_, (_, target))| *target)
    }

    /// The wanted elements of an array at `node`, ascending.
    pub(super) fn elements(&self, node: usize) -> &[(usize, Target)] {
        self.nodes.get(node).map(|node| node.elements.as_slice()).unwrap_or_default()
    }

    /// The numbers of all nodes below `node`.
    pub(super) fn below(&self, node: usize) -> Range<usize> {
        node + 1..self.nodes.get(node).map_or(node + 1, |node| node.end)
    }
}

/// A number that keys of the same name share, and others seldom: their ends and their length. Only pointers that were
/// chosen to collide make a search linear, and those come from the configuration, not from records.
fn fingerprint(key: &[u8]) -> u64 {
    let ends = match (key.first_chunk(), key.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => key.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    ends ^ (key.len() as u64) << 56
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn trie(pointers: &[&str]) -> (Trie, Vec<usize>) {
        Trie::new(&pointers.iter().map(|pointer| pointer::tokens(pointer).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn what_lies_below_a_node_follows_it() {
        let (trie, at) = trie(&["/a/b", "/c", "/a", "/a/b/c", "/a/b", "/a-/x"]);
        let (a, ab, abc, c) = (at[2], at[0], at[3], at[1]);
        assert_eq!(at[4], ab);
        assert_eq!(trie.below(a), ab..abc + 1);
        assert!(trie.below(c).is_empty());
        assert_eq!(trie.below(ROOT), 1..trie.len());
        assert_eq!(trie.member(a, b"b"), Target { node: ab, inner: true });
        assert_eq!(trie.member(ROOT, b"c"), Target { node: c, inner: false });
        assert_eq!(trie.member(ROOT, b"b"), trie.nowhere());
    }

    #[test]
    fn elements_ascend_by_index() {
        let (trie, at) = trie(&["/a/10", "/a/9", "/a/01", "/a/x"]);
        let a = trie.member(ROOT, b"a").node;
        let elements: Vec<_> = trie.elements(a).iter().map(|(index, target)| (*index, target.node)).collect();
        assert_eq!(elements, [(9, at[1]), (10, at[0])]);
    }

    #[test]
    fn keys_with_one_fingerprint_are_told_apart() {
        let (one, other, third) =
            ("beginning, middle, ending", "beginning, muddle, ending", "beginning, meddle, ending");
        assert_eq!(fingerprint(one.as_bytes()), fingerprint(other.as_bytes()));
        let (trie, at) = trie(&[&format!("/{one}"), &format!("/{other}"), "/b"]);
        assert_eq!(trie.member(ROOT, one.as_bytes()).node, at[0]);
        assert_eq!(trie.member(ROOT, other.as_bytes()).node, at[1]);
        assert_eq!(trie.member(ROOT, third.as_bytes()), trie.nowhere());
    }

    #[test]
    fn no_pointers_leave_the_root_alone() {
        let (trie, at) = trie(&[]);
        assert_eq!((trie.len(), at.len(), trie.below(ROOT)), (1, 0, 1..1));
    }
}
