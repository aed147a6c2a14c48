// Command lambdazip packs a Lambda function: a zip with "bootstrap", executable, and, where a baseline is given, with
// "trailwarden.baseline.json", so that to change it is to deploy. The same bytes in give the same bytes out, so that
// everybody can check what runs in their account.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/trailwarden/trailwarden/internal/baseline"
	"github.com/trailwarden/trailwarden/internal/baseline/file"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: lambdazip OUT.zip BOOTSTRAP [BASELINE.yaml]")
	}
	bootstrap, err := os.ReadFile(args[1])
	if err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	files := []packedFile{{"bootstrap", 0o755, bootstrap}}
	if len(args) == 3 {
		pinned, err := file.Load(args[2], baseline.Used{})
		if err != nil {
			return err
		}
		document, err := json.Marshal(pinned.Canonical())
		if err != nil {
			return fmt.Errorf("encode baseline: %w", err)
		}
		files = append(files, packedFile{"trailwarden.baseline.json", 0o644, document})
	}
	packed, err := pack(files)
	if err != nil {
		return fmt.Errorf("pack %s: %w", args[1], err)
	}
	if err := os.WriteFile(args[0], packed, 0o644); err != nil {
		return fmt.Errorf("write zip: %w", err)
	}
	return nil
}

// epoch is the earliest time that a zip can hold.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

type packedFile struct {
	name string
	mode fs.FileMode
	data []byte
}

func pack(files []packedFile) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: epoch}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
