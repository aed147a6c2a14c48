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
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Paths is local files: files, folders (all that their names say are logs, in the order of their names),
// globs, tar archives, and "-" for standard input, which is one file or a tar archive.
type Paths struct {
	Args  []string
	Stdin io.Reader
}

// extensions are those of files that are read when a folder is given. A file that is named is always read.
var extensions = []string{".json", ".gz", ".zst", ".jsonl", ".ndjson", ".tar", ".tgz", ".tzst"}

var tarName = regexp.MustCompile(`(?i)\.(tar|tar\.gz|tgz|tar\.zst|tzst)$`)

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
	stdin := func() error { return p.stdin(yield, lost) }
	return p.visit(ctx, stdin, func(path string, info fs.FileInfo) error {
		if tarName.MatchString(path) {
			return openTar(path, yield, lost)
		}
		size := info.Size()
		if !info.Mode().IsRegular() {
			size = -1
		}
		return yield(File{Name: path, Size: size, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(path) }})
	}, lost)
}

// visit finds the files.
func (p Paths) visit(ctx context.Context, stdin func() error, file func(path string, info fs.FileInfo) error, lost func(string, error)) error {
	for _, arg := range p.Args {
		if arg == "-" {
			if err := stdin(); err != nil {
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
			if err := walk(ctx, name, file, lost); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes implements Sized.
func (p Paths) Bytes(ctx context.Context) (n int64, err error) {
	err = p.visit(ctx, func() error { return nil }, func(_ string, info fs.FileInfo) error { n += info.Size(); return nil }, func(string, error) {})
	return n, err
}

// walk visits one file, or all of a folder.
func walk(ctx context.Context, root string, visit func(path string, info fs.FileInfo) error, lost func(string, error)) error {
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
			return walk(ctx, path+string(filepath.Separator), visit, lost)
		}
		return visit(path, info)
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

// stdin is one file, or a tar archive, packed or not: its magic stands at byte 257.
func (p Paths) stdin(yield func(File) error, lost func(string, error)) error {
	in := bufio.NewReaderSize(p.Stdin, 1<<20)
	if isTar(in) {
		return entries(in, "-", yield, lost)
	}
	return yield(File{Name: "-", Size: -1, Once: true, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(in), nil }})
}

// isTar looks at the beginning of a file, unpacked where it is packed.
func isTar(in *bufio.Reader) bool {
	// A block of zstd is up to 128 KiB, and unpacks as a whole.
	start, _ := in.Peek(4)
	enough := map[bool]int{true: 160 << 10, false: 4 << 10}[bytes.HasPrefix(start, zstdMagic)]
	start, _ = in.Peek(enough)
	text, done, err := unpacked(bytes.NewReader(start))
	if err != nil {
		return false
	}
	defer done()
	head := make([]byte, 262)
	n, _ := io.ReadFull(text, head)
	return n == len(head) && string(head[257:]) == "ustar"
}

var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// unpacked is what a file holds, whether it is packed or not.
func unpacked(from io.Reader) (text io.Reader, done func(), err error) {
	in := bufio.NewReaderSize(from, 64<<10)
	switch head, _ := in.Peek(4); {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		return z, func() {}, err
	case bytes.Equal(head, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return in, func() {}, nil
}

// entries gives the files of a tar archive, which may be packed itself.
func entries(in *bufio.Reader, name string, yield func(File) error, lost func(string, error)) error {
	text, done, err := unpacked(in)
	if err != nil {
		lost(name, err)
		return nil
	}
	defer done()
	in = bufio.NewReaderSize(text, 1<<20)
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
