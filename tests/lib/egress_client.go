// SPDX-License-Identifier: Apache-2.0

// egress_client is what an ordinary Go program does with the network.  Built without cgo it is static and has its own resolver,
// which asks the name server by itself; it prints nothing that differs between two runs.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func body(answer *http.Response, err error) []byte {
	must(err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	must(err)
	return data
}

func main() {
	pem, err := os.ReadFile(os.Args[1])
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}

	for _, url := range []string{"http://www.example/large", "https://www.example/large"} {
		fmt.Printf("get %x\n", sha256.Sum256(body(client.Get(url))))
	}
	answer, err := client.Post("https://www.example/upload", "x/y", bytes.NewReader(make([]byte, 700000)))
	fmt.Printf("post %s", body(answer, err))

	var wait sync.WaitGroup
	sums := make([][32]byte, 8)
	for i := range sums {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			sums[i] = sha256.Sum256(body(client.Get("https://www.example/large")))
		}(i)
	}
	wait.Wait()
	for _, sum := range sums {
		fmt.Printf("at once %x\n", sum)
	}

	_, err = net.LookupHost("not-allowed.example")
	fmt.Println("absent", err != nil)
	_, err = net.LookupTXT("www.example")
	fmt.Println("no text", err != nil)
}
