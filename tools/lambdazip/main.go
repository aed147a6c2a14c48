// Command lambdazip packs a Lambda function: a zip with the one file "bootstrap", executable. The same
// bytes in give the same bytes out, so that everybody can check what runs in their account.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "lambdazip:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: lambdazip OUT.zip BOOTSTRAP")
	}
	bootstrap, err := os.ReadFile(args[1])
	if err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	packed, err := pack(bootstrap)
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

func pack(bootstrap []byte) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: epoch}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(bootstrap); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
