package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Paths is local files: files, folders (all that their names say are logs, in the order of their names),
// globs, tar archives, and "-" for standard input, which is one file or a tar archive.
type Paths struct {
	Args  []string
	Stdin io.Reader
}

// extensions are those of files that are read when a folder is given. A file that is named is always read.
var extensions = []string{".json", ".gz", ".zst", ".jsonl", ".ndjson", ".tar", ".tgz"}

// small is the size up to which files of a tar archive are read while the next is unpacked.
const small = 4 << 20

// Check says which argument names nothing.
func (p Paths) Check() error {
	for _, arg := range p.Args {
		if arg == "-" {
			continue
		}
		if _, err := os.Stat(arg); err != nil {
			if found, _ := filepath.Glob(arg); len(found) == 0 {
				return fmt.Errorf("look for %s: no such file or folder", arg)
			}
		}
	}
	return nil
}

// Files implements Source.
func (p Paths) Files(ctx context.Context, yield func(File) error, lost func(string, error)) error {
	for _, arg := range p.Args {
		if arg == "-" {
			if err := p.stdin(yield, lost); err != nil {
				return err
			}
			continue
		}
		found := []string{arg}
		if _, err := os.Stat(arg); err != nil {
			if matches, _ := filepath.Glob(arg); len(matches) > 0 {
				found = matches
			}
		}
		for _, name := range found {
			if err := walk(ctx, name, yield, lost); err != nil {
				return err
			}
		}
	}
	return nil
}

// walk gives one file, or all of a folder.
func walk(ctx context.Context, root string, yield func(File) error, lost func(string, error)) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			lost(path, err)
			return nil
		case d.IsDir():
			return nil
		case path != root && !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))):
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			lost(path, err)
			return nil
		}
		if path == root && info.IsDir() { // a link to a folder
			return walk(ctx, path+string(filepath.Separator), yield, lost)
		}
		if name := strings.ToLower(path); strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz") {
			return openTar(path, yield, lost)
		}
		size := info.Size()
		if !info.Mode().IsRegular() {
			size = -1
		}
		return yield(File{Name: path, Size: size, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(path) }})
	})
}

func openTar(path string, yield func(File) error, lost func(string, error)) (err error) {
	f, err := os.Open(path)
	if err != nil {
		lost(path, err)
		return nil
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return entries(bufio.NewReaderSize(f, 1<<20), path, yield, lost)
}

// stdin is one file, or a tar archive: its magic stands at byte 257.
func (p Paths) stdin(yield func(File) error, lost func(string, error)) error {
	in := bufio.NewReaderSize(p.Stdin, 1<<20)
	if isTar(in) {
		return entries(in, "-", yield, lost)
	}
	return yield(File{Name: "-", Size: -1, Once: true, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(in), nil }})
}

func isTar(in *bufio.Reader) bool {
	head, _ := in.Peek(262)
	return len(head) == 262 && string(head[257:]) == "ustar"
}

// entries gives the files of a tar archive, which may be packed itself.
func entries(in *bufio.Reader, name string, yield func(File) error, lost func(string, error)) error {
	if head, _ := in.Peek(2); string(head) == "\x1f\x8b" {
		z, err := gzip.NewReader(in)
		if err != nil {
			lost(name, err)
			return nil
		}
		in = bufio.NewReaderSize(z, 1<<20)
	}
	for t := tar.NewReader(in); ; {
		head, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			lost(name, fmt.Errorf("read tar archive: %w", err))
			return nil
		}
		if head.Typeflag != tar.TypeReg || !slices.Contains(extensions, strings.ToLower(filepath.Ext(head.Name))) {
			continue
		}
		f := File{Name: name + "/" + head.Name, Size: head.Size, Once: true, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(t), nil }}
		if head.Size <= small {
			data, err := readAll(t, head.Size)
			f.Once = false
			f.Open = func(context.Context) (io.ReadCloser, error) {
				return io.NopCloser(&failing{bytes.NewReader(data), err}), nil
			}
		}
		if err := yield(f); err != nil {
			return err
		}
	}
}

// failing reads what there is, and then fails if there should have been more.
type failing struct {
	have *bytes.Reader
	err  error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.have.Read(p)
	if err == io.EOF && f.err != nil {
		err = f.err
	}
	return n, err
}
