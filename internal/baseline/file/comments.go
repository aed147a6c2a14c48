package file

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/trailwarden/trailwarden/internal/baseline"
)

// Update is Format of a file that takes the place of another one, with the comments that people wrote into the old text: each
// stays with the key or the item that it stood above or behind; where that is gone, with what it was a part of.
func Update(text []byte, f baseline.File) []byte {
	formatted := Format(f)
	old, problems := Parse("", text)
	now, _ := Parse("", formatted)
	if len(problems) > 0 {
		return formatted
	}
	above, behind := map[string][]string{}, map[string]string{}
	generated := strings.Split(header(old), "\n")
	lines := strings.Split(string(text), "\n")
	paths := pathsByLine(old)
	for _, t := range lexer.Tokenize(string(text)) {
		comment := "#" + strings.TrimRight(t.Value, "\r\n")
		if t.Type != token.CommentType || slices.Contains(generated, comment) {
			continue
		}
		line := t.Position.Line
		own := strings.TrimSpace(lines[line-1]) == strings.TrimSpace(comment)
		path, ok := paths[line]
		if own || !ok {
			path = following(paths, line, len(lines))
			path = kept(now, path)
			above[path] = append(above[path], comment)
		} else if path = kept(now, path); path != "" && behind[path] == "" {
			behind[path] = comment
		} else {
			above[path] = append(above[path], comment)
		}
	}
	return weave(formatted, pathsByLine(now), above, behind)
}

// weave puts comments into a text.
func weave(text []byte, paths map[int]string, above map[string][]string, behind map[string]string) []byte {
	var out bytes.Buffer
	for i, line := range strings.SplitAfter(string(text), "\n") {
		path, ok := paths[i+1]
		if !ok {
			out.WriteString(line)
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		for _, comment := range above[path] {
			out.WriteString(indent + comment + "\n")
		}
		if comment := behind[path]; comment != "" {
			line = strings.TrimSuffix(line, "\n") + " " + comment + "\n"
		}
		out.WriteString(line)
	}
	for _, comment := range above[""] {
		out.WriteString(comment + "\n")
	}
	return out.Bytes()
}

// pathsByLine says what begins in a line: of several the one that holds the others. A trail is named by its ARN, because
// its place in the list may change.
func pathsByLine(f baseline.File) map[int]string {
	out := map[int]string{}
	for path, at := range f.Places {
		if known, ok := out[at.Line]; !ok || len(path) < len(known) || len(path) == len(known) && path < known {
			out[at.Line] = path
		}
	}
	for line, path := range out {
		for i, t := range f.Trails {
			if rest, ok := strings.CutPrefix(path, fmt.Sprintf("trails[%d]", i)); ok {
				out[line] = "trails[" + t.ARN.String() + "]" + rest
			}
		}
	}
	return out
}

// following is what begins next after a line; empty at the end.
func following(paths map[int]string, line, last int) string {
	for line++; line <= last; line++ {
		if path, ok := paths[line]; ok {
			return path
		}
	}
	return ""
}

// kept is the path, or the nearest part of it that begins in a line of the file.
func kept(f baseline.File, path string) string {
	known := slices.Collect(maps.Values(pathsByLine(f)))
	for path != "" && !slices.Contains(known, path) {
		if strings.HasSuffix(path, "]") {
			path = path[:strings.LastIndexByte(path, '[')]
			continue
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return path
}
